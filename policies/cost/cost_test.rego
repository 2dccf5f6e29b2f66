package tuner.policy.cost_test

import data.tuner.fixture_test as fixture
import data.tuner.policy.cost

test_good_has_no_denial if {
	cost.deny == set() with input as fixture.good
	cost.warn == set() with input as fixture.good
}

test_a_currency_without_limits_denies if {
	some denial in cost.deny with input as fixture.but({"currency": "CHF"})
	denial.id == "cost.currency"
	endswith(denial.msg, "add limits.cost.currencies.CHF to the policies' data")
}

test_each_absolute_limit_denies if {
	limits := {"USD": {"per_million": 0.04, "hourly": 0.1, "monthly": 50}}
	expensive := fixture.but({"candidate": {"monthly_cost": 50.000001}})
	denials := cost.deny with input as expensive with data.limits.cost.currencies as limits
	fixture.ids(denials) == {"cost.per-million", "cost.hourly", "cost.monthly"}
	some denial in denials
	denial.path == "candidate.cost_per_million"
	startswith(denial.msg, "a million requests costs 0.042 USD, the limit is 0.04 USD: ")
}

test_null_is_no_limit if {
	limits := {"USD": {"per_million": null, "hourly": null, "monthly": null}}
	cost.deny == set() with input as fixture.good with data.limits.cost.currencies as limits
}

test_a_missing_limit_of_a_currency_denies if {
	fixture.ids(cost.deny) == {"cost.limits"} with input as fixture.good
		with data.limits.cost.currencies as {"USD": {"hourly": 1, "monthly": "9"}}
}

test_an_unknown_cost_denies if {
	unknown := fixture.but({"candidate": {"fleet": {"cost_per_million": null}}})
	fixture.ids(cost.deny) == {"cost.unknown"} with input as unknown
}

test_a_free_baseline_cannot_be_compared_with if {
	fixture.ids(cost.deny) == {"cost.incomparable"} with input as fixture.but({"relative": {"hourly_cost": null}})
	free := fixture.but({
		"relative": {"hourly_cost": null},
		"candidate": {"fleet": {"hourly_cost": 0, "cost_per_million": 0}},
	})
	cost.deny == set() with input as free
}

test_an_hour_may_cost_a_little_more if {
	cost.deny == set() with input as fixture.but({"relative": {"hourly_cost": 1.1, "capacity": 1}})
}

test_more_money_needs_as_much_more_capacity if {
	every capacity in [1.49, null] {
		unpaid := fixture.but({"relative": {"hourly_cost": 1.5, "capacity": capacity}})
		fixture.ids(cost.deny) == {"cost.increase"} with input as unpaid
	}
	paid := fixture.but({"relative": {"hourly_cost": 1.5, "capacity": 1.5}})
	cost.deny == set() with input as paid
	fixture.ids(cost.warn) == {"cost.increase"} with input as paid
}

test_there_is_an_end_to_it if {
	dear := fixture.but({"relative": {"hourly_cost": 2.1, "capacity": 9}})
	fixture.ids(cost.deny) == {"cost.increase"} with input as dear
}

test_a_month_may_not_cost_much_more if {
	cost.deny == set() with input as fixture.but({"relative": {"monthly_cost": 1.1}})
	fixture.ids(cost.deny) == {"cost.monthly-increase"} with input as fixture.but({"relative": {"monthly_cost": 1.11}})
}

test_a_missing_limit_denies if {
	"cost.limits" in fixture.ids(cost.deny) with input as fixture.good with data.limits.cost.increase as null
	"cost.limits" in fixture.ids(cost.deny) with input as fixture.good with data.limits as {}
}
