package tuner.waiver_test

import data.tuner.fixture_test as fixture
import data.tuner.main
import data.tuner.reason
import data.tuner.waiver

_waiver := {
	"rule": "evidence.trials",
	"service": "orientation",
	"reason": "the pool is being moved",
	"approver": "lead@example.com",
	"expires": "2026-03-09",
	"days": 7,
}

_with(changes) := fixture.but({"trials": 1, "waivers": [object.union(_waiver, changes)]})

test_a_waiver_allows_and_is_named if {
	main.allow with input as _with({})
	warnings := main.warn with input as _with({})
	{[warning.id, warning.path] | some warning in warnings} == {["evidence.trials", "trials"]}
	some warning in warnings
	warning.reason == concat(" ", [
		"waived until 2026-03-09 by lead@example.com (the pool is being moved):",
		"1 trials were completed, 5 are needed: raise budget.trials",
	])
}

test_it_counts_on_its_last_day_and_not_after_it if {
	main.allow with input as _with({"days": 0})
	not main.allow with input as _with({"days": -1})
	fixture.ids(main.warn) == {"waiver.expired"} with input as _with({"days": -1})
}

test_it_does_not_reach_too_far_ahead if {
	main.allow with input as _with({"days": 90})
	not main.allow with input as _with({"days": 91})
	fixture.ids(main.warn) == {"waiver.void"} with input as _with({"days": 91})
}

test_it_is_for_one_rule_and_one_service if {
	not main.allow with input as _with({"rule": "evidence.blocks"})
	not main.allow with input as _with({"rule": "evidence"})
	not main.allow with input as _with({"service": "other"})
	main.warn == set() with input as _with({"service": "other"})
}

test_other_denials_stay if {
	bad := object.union(_with({}), {"blocks": 1})
	not main.allow with input as bad
	fixture.ids(main.deny) == {"evidence.blocks"} with input as bad
}

test_what_is_malformed_does_not_count if {
	every days in [null, "7", true, []] {
		not main.allow with input as _with({"days": days})
	}
	not main.allow with input as fixture.but({"trials": 1, "waivers": "all"})
	not main.allow with input as _with({}) with data.limits.waivers.days as null
	not main.allow with input as _with({}) with data.limits.waivers as {}
}

test_wrong_policies_have_no_waiver if {
	missing := reason.denial("policy.missing", "", "a", "b")
	not waiver.covers(missing) with input as fixture.but({"waivers": [object.union(_waiver, {"rule": "policy.missing"})]})
}
