# METADATA
# title: Service level
# description: >
#   The candidate keeps the latency and error rate that the spec promises, judged at the unfavourable end of what was
#   measured, and all replicas together can bear the load.
package tuner.policy.sla

import data.tuner.text

default _limits := {}

_limits := data.limits.sla

# A limit that is missing or no number would make its rule silent, so it denies by itself.
deny contains denial("sla.limits", "limits.sla", msg) if {
	some name in ["headroom", "capacity"]
	not is_number(object.get(_limits, name, null))
	msg := sprintf("the limit sla.%s is missing or no number: write it into the policies' data", [name])
}

deny contains denial("sla.bound-missing", "slo", msg) if {
	count(input.slo) == 0
	msg := "the spec promises no latency: add a percentile under slo.latency"
}

deny contains denial("sla.latency", sprintf("candidate.latency.%s", [percentile]), msg) if {
	some percentile, bound in input.slo
	_latency[percentile] > bound
	msg := sprintf(
		"%s is up to %s%s, the SLO is %s: choose a faster configuration, or raise slo.latency.%s in the spec",
		[percentile, text.milliseconds(_latency[percentile]), _at_load, text.milliseconds(bound), percentile],
	)
}

deny contains denial("sla.latency-unknown", sprintf("candidate.latency.%s", [percentile]), msg) if {
	some percentile, _ in input.slo
	not percentile in object.keys(_latency)
	msg := sprintf("%s of the candidate was not measured: measure every percentile that the SLO names", [percentile])
}

deny contains denial("sla.errors", "candidate.error_rate", msg) if {
	is_number(input.slo_error_rate)
	is_number(input.candidate.error_rate)
	input.candidate.error_rate > input.slo_error_rate
	msg := sprintf(
		"%s of the requests failed, the SLO allows %s: choose a configuration that answers, or raise slo.errorRate",
		[text.measured(input.candidate.error_rate, [input.slo_error_rate]), text.percent(input.slo_error_rate)],
	)
}

deny contains denial("sla.errors-unknown", "candidate.error_rate", msg) if {
	is_number(input.slo_error_rate)
	not is_number(input.candidate.error_rate)
	msg := "the failed requests of the candidate were not counted: count them, because the SLO bounds them"
}

deny contains denial("sla.capacity-unknown", "candidate.capacity", msg) if {
	not _expected
	not is_number(input.relative.capacity)
	msg := "the baseline has no capacity to compare with: state load.expected in the spec"
}

deny contains denial("sla.capacity", "candidate.capacity", msg) if {
	not _expected
	is_number(input.relative.capacity)
	input.relative.capacity < _limits.capacity
	msg := sprintf(
		"all replicas bear %s of the baseline's load, at least %s is needed: add replicas, or state load.expected",
		[text.measured(input.relative.capacity, [_limits.capacity]), text.percent(_limits.capacity)],
	)
}

# A service that was too small before may be improved step by step, but not made smaller.
deny contains denial("sla.capacity-expected", "candidate.capacity", _below_expected) if not _not_smaller

warn contains warning("sla.capacity-expected", "candidate.capacity", _below_expected) if _not_smaller

warn contains warning("sla.latency-interval", sprintf("candidate.latency_interval.%s", [percentile]), msg) if {
	some percentile, _ in input.slo
	percentile in object.keys(_latency)
	not percentile in _with_interval
	msg := sprintf("%s is judged without an interval: more blocks would give one", [percentile])
}

_expected if is_number(input.relative.expected_load)

_not_smaller if {
	is_number(input.relative.capacity)
	input.relative.capacity >= 1
}

_below_expected := msg if {
	_expected
	input.relative.expected_load < _limits.headroom
	msg := sprintf(
		"all replicas bear %s of the expected %s requests/s, %s is wanted: add replicas",
		[
			text.measured(input.relative.expected_load, [_limits.headroom]),
			text.number(input.expected_load),
			text.percent(_limits.headroom),
		],
	)
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

denial(id, path, msg) := {"id": id, "severity": "deny", "msg": msg, "path": path}

warning(id, path, msg) := {"id": id, "severity": "warn", "msg": msg, "path": path}
