package tuner.policy.budget_test

import data.tuner.fixture_test as fixture
import data.tuner.policy.budget

test_good_has_no_denial if {
	budget.deny == set() with input as fixture.start
}

test_each_limit_denies if {
	every id, change in {
		"budget.trials": {"trials": 1001},
		"budget.wall-clock": {"wall_clock": 86401},
		"budget.money": {"money": 500.01},
		"budget.currency": {"currency": "CHF"},
		"budget.unknown": {"money": null},
	} {
		fixture.ids(budget.deny) == {id} with input as fixture.start_but(change)
	}
}

test_a_team_may_have_limits_of_its_own if {
	teams := {"vision": {"budget": {"trials": 39}}, "speech": {}}
	fixture.ids(budget.deny) == {"budget.trials"} with input as fixture.start with data.limits.teams as teams
	budget.deny == set() with input as fixture.start_but({"team": "speech"}) with data.limits.teams as teams
	more := {"vision": {"budget": {"trials": 2000}}}
	budget.deny == set() with input as fixture.start_but({"trials": 2000}) with data.limits.teams as more
}

test_a_missing_limit_denies if {
	"budget.limits" in fixture.ids(budget.deny) with input as fixture.start with data.limits.budget.trials as "40"
	"budget.limits" in fixture.ids(budget.deny) with input as fixture.start with data.limits.budget as {}
}
