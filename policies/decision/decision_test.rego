package tuner.decision_test

import data.tuner.decision
import data.tuner.fixture_test as fixture

_own := {"a": {"deny": {_no("a.x")}, "warn": {"careful"}}, "b": {"deny": set()}, "c": {"deny": []}}

_no(id) := {"id": id, "severity": "deny", "path": "", "reason": "no", "remedy": "yes", "msg": "no: yes"}

test_the_packages_of_the_point_are_asked if {
	decision.deny("p") == {_no("a.x")} with data.packages as {"p": ["a", "b"]} with data.tuner.policy as _own
	decision.warn("p") == {"careful"} with data.packages as {"p": ["a", "b"]} with data.tuner.policy as _own
	decision.deny("p") == set() with data.packages as {"p": ["b"], "q": ["a"]} with data.tuner.policy as _own
}

test_a_missing_package_denies if {
	denials := decision.deny("p") with data.packages as {"p": ["b", "c", "d"]} with data.tuner.policy as _own
	{[denial.id, denial.path] | some denial in denials} == {
		["policy.missing", "packages.p.c"],
		["policy.missing", "packages.p.d"],
	}
}

test_no_package_denies if {
	fixture.ids(decision.deny("p")) == {"policy.missing"} with data.packages as {} with data.tuner.policy as _own
}

test_a_waiver_makes_a_warning if {
	given := {"service": "s", "waivers": [{
		"rule": "a.x", "service": "s", "reason": "r", "approver": "me", "expires": "2026-03-09", "days": 7,
	}]}
	decision.deny("p") == set() with input as given with data.packages as {"p": ["a"]} with data.tuner.policy as _own
	warnings := decision.warn("p") with input as given with data.packages as {"p": ["a"]} with data.tuner.policy as _own
	{"a.x"} == {warning.id | some warning in warnings; warning.severity == "warn"}
}
