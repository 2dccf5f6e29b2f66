package tuner.decision_test

import data.tuner.decision
import data.tuner.fixture_test as fixture

_own := {"a": {"deny": {_no("a.x")}, "warn": {"careful"}}, "b": {"deny": set()}, "c": {"deny": []}}

_no(id) := {"id": id, "severity": "deny", "path": "", "reason": "no", "remedy": "yes", "msg": "no: yes"}

test_the_packages_of_the_point_are_asked if {
	both := decision.made("p", {}) with data.packages as {"p": ["a", "b"]} with data.tuner.policy as _own
	both == {"deny": {_no("a.x")}, "warn": {"careful"}, "packages": {"a", "b"}}
	one := decision.made("p", {}) with data.packages as {"p": ["b"], "q": ["a"]} with data.tuner.policy as _own
	one == {"deny": set(), "warn": set(), "packages": {"b"}}
}

test_what_is_known_by_name_counts_where_it_is_listed if {
	known := {"a": _own.a, "z": {"deny": {_no("z.x")}}}
	made := decision.made("p", known) with data.packages as {"p": ["a", "b"]} with data.tuner.policy as {"b": _own.b}
	made == {"deny": {_no("a.x")}, "warn": {"careful"}, "packages": {"a", "b"}}
}

test_a_missing_package_denies if {
	made := decision.made("p", {}) with data.packages as {"p": ["b", "c", "d"]} with data.tuner.policy as _own
	{[denial.id, denial.path] | some denial in made.deny} == {
		["policy.missing", "packages.p.c"],
		["policy.missing", "packages.p.d"],
	}
}

test_no_package_denies if {
	made := decision.made("p", {}) with data.packages as {} with data.tuner.policy as _own
	fixture.ids(made.deny) == {"policy.missing"}
}

test_a_waiver_makes_a_warning if {
	given := {"service": "s", "waivers": [{
		"rule": "a.x", "service": "s", "reason": "r", "approver": "me", "expires": "2026-03-09", "days": 7,
	}]}
	made := decision.made("p", {}) with input as given
		with data.packages as {"p": ["a"]}
		with data.tuner.policy as _own
	made.deny == set()
	{"a.x"} == {warning.id | some warning in made.warn; warning.severity == "warn"}
}
