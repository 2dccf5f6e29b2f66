# METADATA
# title: Service level
# description: >
#   The candidate keeps the latency and error rate that the spec promises, judged at the unfavourable end of what was
#   measured, and all replicas together can bear the load.
package tuner.policy.sla

import data.tuner.reason
import data.tuner.text

default _limits := {}

_limits := data.limits.sla

# A limit that is missing or no number would make its rule silent, so it denies by itself.
deny contains reason.denial("sla.limits", "limits.sla", why, remedy) if {
	remedy := "write it into the policies' data"
	some name in ["headroom", "capacity"]
	not is_number(object.get(_limits, name, null))
	why := sprintf("the limit sla.%s is missing or no number", [name])
}

deny contains reason.denial("sla.bound-missing", "slo", why, remedy) if {
	count(input.slo) == 0
	why := "the spec promises no latency"
	remedy := "add a percentile under slo.latency"
}

deny contains reason.denial("sla.latency", sprintf("candidate.latency.%s", [percentile]), why, remedy) if {
	some percentile, bound in input.slo
	_latency[percentile] > bound
	why := sprintf(
		"%s is up to %s%s, the SLO is %s",
		[percentile, text.milliseconds(_latency[percentile]), _at_load, text.milliseconds(bound)],
	)
	remedy := sprintf("choose a faster configuration, or raise slo.latency.%s in the spec", [percentile])
}

deny contains reason.denial("sla.latency-unknown", sprintf("candidate.latency.%s", [percentile]), why, remedy) if {
	remedy := "measure every percentile that the SLO names"
	some percentile, _ in input.slo
	not percentile in object.keys(_latency)
	why := sprintf("%s of the candidate was not measured", [percentile])
}

# What is known at one point only may be anything around it.
deny contains reason.denial("sla.latency-interval", _interval_path(percentile), why, remedy) if {
	remedy := "raise the budget, so that the confirmation has several blocks"
	some percentile, _ in input.slo
	percentile in object.keys(_latency)
	not percentile in _with_interval
	why := sprintf("%s of the candidate has no interval", [percentile])
}

deny contains reason.denial("sla.errors", "candidate.error_rate", why, remedy) if {
	is_number(input.slo_error_rate)
	is_number(input.candidate.error_rate)
	input.candidate.error_rate > input.slo_error_rate
	why := sprintf(
		"%s of the requests failed, the SLO allows %s",
		[text.measured(input.candidate.error_rate, [input.slo_error_rate]), text.percent(input.slo_error_rate)],
	)
	remedy := "choose a configuration that answers, or raise slo.errorRate"
}

# A rate of 0.1 % needs thousands of requests to be shown: the data says whether it has to be.
deny contains reason.denial("sla.errors-interval", "candidate.error_rate_interval", why, remedy) if {
	_limits.errors_shown == true
	is_number(input.slo_error_rate)
	not _errors_shown
	why := sprintf("it is not shown that at most %s of the requests fail", [text.percent(input.slo_error_rate)])
	remedy := "raise search.probe, so that more requests are sent, or set limits.sla.errors_shown to false"
}

deny contains reason.denial("sla.errors-unknown", "candidate.error_rate", why, remedy) if {
	is_number(input.slo_error_rate)
	not is_number(input.candidate.error_rate)
	why := "the failed requests of the candidate were not counted"
	remedy := "count them, because the SLO bounds them"
}

deny contains reason.denial("sla.capacity-unknown", "candidate.capacity", why, remedy) if {
	not _expected
	not is_number(input.relative.capacity)
	why := "the baseline has no capacity to compare with"
	remedy := "state load.expected in the spec"
}

deny contains reason.denial("sla.capacity", "candidate.capacity", why, remedy) if {
	not _expected
	is_number(input.relative.capacity)
	input.relative.capacity < _limits.capacity
	why := sprintf(
		"all replicas bear %s of the baseline's load, at least %s is needed",
		[text.measured(input.relative.capacity, [_limits.capacity]), text.percent(_limits.capacity)],
	)
	remedy := "add replicas, or state load.expected"
}

# A service that was too small before may be improved step by step, but not made smaller.
deny contains reason.denial("sla.capacity-expected", "candidate.capacity", _below_expected, "add replicas") if {
	not _not_smaller
}

warn contains reason.warning("sla.capacity-expected", "candidate.capacity", _below_expected) if _not_smaller

_expected if is_number(input.relative.expected_load)

_not_smaller if {
	is_number(input.relative.capacity)
	input.relative.capacity >= 1
}

_below_expected := why if {
	_expected
	input.relative.expected_load < _limits.headroom
	why := sprintf(
		"all replicas bear %s of the expected %s requests/s, %s is wanted",
		[
			text.measured(input.relative.expected_load, [_limits.headroom]),
			text.number(input.expected_load),
			text.percent(_limits.headroom),
		],
	)
}

_errors_shown if {
	is_number(input.candidate.error_rate_interval.high)
	input.candidate.error_rate_interval.high <= input.slo_error_rate
}

_with_interval contains percentile if {
	some percentile, interval in input.candidate.latency_interval
	is_number(interval.high)
}

_latency[percentile] := interval.high if {
	some percentile, interval in input.candidate.latency_interval
	percentile in _with_interval
}

_latency[percentile] := value if {
	some percentile, value in input.candidate.latency
	is_number(value)
	not percentile in _with_interval
}

default _at_load := ""

_at_load := sprintf(" at %s requests/s", [text.number(input.compared_load)]) if is_number(input.compared_load)

_interval_path(percentile) := sprintf("candidate.latency_interval.%s", [percentile])
