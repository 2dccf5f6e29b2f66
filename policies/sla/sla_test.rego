package tuner.policy.sla_test

import data.tuner.fixture_test as fixture
import data.tuner.policy.sla

test_good_has_no_denial if {
	sla.deny == set() with input as fixture.good
	sla.warn == set() with input as fixture.good
}

test_the_upper_end_of_the_latency_is_judged if {
	bad := fixture.but({"candidate": {"latency_interval": {"p99": {"high": 0.06125}}}})
	some denial in sla.deny with input as bad
	denial.id == "sla.latency"
	denial.path == "candidate.latency.p99"
	startswith(denial.msg, "p99 is up to 61.25 ms at 450.5 requests/s, the SLO is 50 ms: ")
}

test_a_latency_at_the_bound_is_allowed if {
	sla.deny == set() with input as fixture.but({"candidate": {"latency_interval": {"p99": {"high": 0.05}}}})
}

test_a_latency_without_an_interval_denies if {
	bare := json.patch(fixture.good, [{"op": "remove", "path": "/candidate/latency_interval/p99"}])
	fixture.ids(sla.deny) == {"sla.latency-interval"} with input as bare
	slow := json.patch(bare, [{"op": "replace", "path": "/candidate/latency/p99", "value": 0.06}])
	fixture.ids(sla.deny) == {"sla.latency", "sla.latency-interval"} with input as slow
}

test_the_upper_end_decides_and_not_the_value if {
	spread := {"candidate": {"latency": {"p99": 0.01}, "latency_interval": {"p99": {"value": 0.01, "high": 0.06}}}}
	fixture.ids(sla.deny) == {"sla.latency"} with input as fixture.but(spread)
}

test_a_low_error_rate_is_shown_where_the_data_asks_for_it if {
	unsure := fixture.but({"slo_error_rate": 0.001})
	sla.deny == set() with input as unsure
	fixture.ids(sla.deny) == {"sla.errors-interval"} with input as unsure with data.limits.sla.errors_shown as true
	shown := fixture.but({"slo_error_rate": 0.002})
	sla.deny == set() with input as shown with data.limits.sla.errors_shown as true
}

test_every_percentile_of_the_slo_has_to_be_measured if {
	bad := fixture.but({"slo": {"p99.9": 0.1}})
	fixture.ids(sla.deny) == {"sla.latency-unknown"} with input as bad
	{denial.path | some denial in sla.deny} == {"candidate.latency.p99.9"} with input as bad
}

test_an_slo_without_a_bound_promises_nothing if {
	bad := json.patch(fixture.good, [{"op": "replace", "path": "/slo", "value": {}}])
	fixture.ids(sla.deny) == {"sla.bound-missing"} with input as bad
}

test_errors_are_bounded if {
	sla.deny == set() with input as fixture.but({"slo_error_rate": 0.01, "candidate": {"error_rate": 0.01}})
	some denial in sla.deny with input as fixture.but({"slo_error_rate": 0.001, "candidate": {"error_rate": 0.0155}})
	denial.id == "sla.errors"
	startswith(denial.msg, "1.55 % of the requests failed, the SLO allows 0.1 %")
}

test_uncounted_errors_deny_where_they_are_bounded if {
	sla.deny == set() with input as fixture.but({"candidate": {"error_rate": null}})
	bad := fixture.but({"slo_error_rate": 0.01, "candidate": {"error_rate": null}})
	fixture.ids(sla.deny) == {"sla.errors-unknown"} with input as bad
}

test_capacity_may_not_fall_far_below_the_baseline if {
	sla.deny == set() with input as fixture.but({"relative": {"capacity": 0.9}})
	fixture.ids(sla.deny) == {"sla.capacity"} with input as fixture.but({"relative": {"capacity": 0.899999}})
	fixture.ids(sla.deny) == {"sla.capacity-unknown"} with input as fixture.but({"relative": {"capacity": null}})
}

test_an_expected_load_is_what_counts_where_it_is_stated if {
	enough := {"expected_load": 300, "relative": {"capacity": 0.5, "expected_load": 1.2}}
	sla.deny == set() with input as fixture.but(enough)
	less := {"expected_load": 300, "relative": {"capacity": 0.5, "expected_load": 1.19}}
	unknown := {"expected_load": 300, "relative": {"capacity": null, "expected_load": 1.19}}
	fixture.ids(sla.deny) == {"sla.capacity-expected"} with input as fixture.but(unknown)
	some denial in sla.deny with input as fixture.but(less)
	denial.id == "sla.capacity-expected"
	denial.msg == "all replicas bear 119 % of the expected 300 requests/s, 120 % is wanted: add replicas"
}

test_a_service_that_was_too_small_may_grow if {
	better := fixture.but({"expected_load": 300, "relative": {"capacity": 1, "expected_load": 0.5}})
	sla.deny == set() with input as better
	fixture.ids(sla.warn) == {"sla.capacity-expected"} with input as better
}

test_a_missing_limit_denies if {
	fixture.ids(sla.deny) == {"sla.limits"} with input as fixture.good with data.limits.sla as {"headroom": 1.2}
	fixture.ids(sla.deny) == {"sla.limits"} with input as fixture.good with data.limits as {}
	fixture.ids(sla.deny) == {"sla.limits"} with input as fixture.good with data.limits.sla.headroom as "1.2"
}
