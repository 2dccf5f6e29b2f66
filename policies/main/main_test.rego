package tuner.main_test

import data.tuner.fixture_test as fixture
import data.tuner.main

test_good_is_allowed if {
	main.allow with input as fixture.good
	main.deny == set() with input as fixture.good
	main.packages == {"change", "cost", "evidence", "image", "quota", "rollback", "sla"}
}

test_one_denial_is_enough if {
	bad := fixture.but({"trials": 1})
	not main.allow with input as bad
	fixture.ids(main.deny) == {"evidence.trials"} with input as bad
}

test_denials_of_all_packages_are_told if {
	bad := fixture.but({"trials": 1, "changes": [], "currency": "XXX"})
	fixture.ids(main.deny) == {"evidence.trials", "change.empty", "cost.currency"} with input as bad
}

test_warnings_do_not_deny if {
	careful := fixture.but({"rollback": {"history": 0}})
	main.allow with input as careful
	fixture.ids(main.warn) == {"rollback.history"} with input as careful
}

test_a_missing_package_denies if {
	expected := {"recommendation": ["sla", "gone"]}
	not main.allow with input as fixture.good with data.packages as expected
	denials := main.deny with input as fixture.good with data.packages as expected
	{[denial.id, denial.path] | some denial in denials} == {["policy.missing", "packages.recommendation.gone"]}
}

test_a_package_of_ones_own_is_asked if {
	expected := {"recommendation": ["sla", "own"]}
	own := {"own": {"deny": {{"id": "own.no"}}}}
	fixture.ids(main.deny) == {"own.no"} with input as fixture.good
		with data.packages as expected
		with data.tuner.policy as object.union(data.tuner.policy, own)
}

test_a_package_whose_deny_is_no_set_denies if {
	not main.allow with input as fixture.good with data.tuner.policy.sla.deny as []
	fixture.ids(main.deny) == {"policy.missing"} with input as fixture.good with data.tuner.policy.sla.deny as "none"
}

test_no_package_at_all_denies if {
	every packages in [{"recommendation": []}, {"admission": ["team"]}, {}, [], ["sla"], null] {
		not main.allow with input as fixture.good with data.packages as packages
		fixture.ids(main.deny) == {"policy.missing"} with input as fixture.good with data.packages as packages
	}
}

test_nothing_known_denies if {
	not main.allow with input as {}
	not main.allow with input as null
}
