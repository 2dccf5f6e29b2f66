# METADATA
# title: Cost
# description: >
#   Absolute limits by currency, and the candidate against the baseline. Costs of an hour are those of all replicas, a
#   million requests is taken at the lower end of the candidate's capacity.
package tuner.policy.cost

import data.tuner.reason
import data.tuner.text

default _limits := {}

_limits := data.limits.cost

# A limit that is missing or no number would make its rule silent, so it denies by itself.
deny contains reason.denial("cost.limits", "limits.cost", why, remedy) if {
	remedy := "write it into the policies' data"
	some name in ["increase", "increase_with_capacity", "monthly_increase"]
	not is_number(object.get(_limits, name, null))
	why := sprintf("the limit cost.%s is missing or no number", [name])
}

deny contains reason.denial("cost.currency", "currency", why, remedy) if {
	not is_object(_absolute)
	why := sprintf("there are no limits for %s", [input.currency])
	remedy := sprintf("add limits.cost.currencies.%s to the policies' data", [input.currency])
}

# Null is the way to say that there is no limit.
deny contains reason.denial("cost.limits", "limits.cost", why, _write_a_limit) if {
	is_object(_absolute)
	some name in ["per_million", "hourly", "monthly"]
	not type_name(object.get(_absolute, name, false)) in {"number", "null"}
	why := sprintf("the limit %s for %s is missing", [name, input.currency])
}

deny contains reason.denial("cost.unknown", path, why, remedy) if {
	remedy := "state prices for every resource in the spec"
	some name in ["per_million", "hourly"]
	_cost[name] == null
	path := _path[name]
	why := sprintf("the candidate's cost (%s) is not known", [name])
}

deny contains reason.denial("cost.per-million", _path.per_million, _over.per_million.why, _over.per_million.remedy)

deny contains reason.denial("cost.hourly", _path.hourly, _over.hourly.why, _over.hourly.remedy)

deny contains reason.denial("cost.monthly", _path.monthly, _over.monthly.why, _over.monthly.remedy)

deny contains reason.denial("cost.incomparable", "baseline.hourly_cost", why, remedy) if {
	not is_number(input.relative.hourly_cost)
	input.candidate.fleet.hourly_cost > 0
	why := "the baseline costs nothing, so nothing can be compared with it"
	remedy := "state prices for its resources"
}

deny contains reason.denial("cost.increase", "candidate.hourly_cost", why, remedy) if {
	_increase > _limits.increase
	not _capacity_pays
	why := sprintf(
		"an hour costs %s of the baseline's and capacity is not up as much",
		[text.measured(_increase, [_limits.increase])],
	)
	remedy := sprintf("at most %s is allowed without that", [text.percent(_limits.increase)])
}

deny contains reason.denial("cost.increase", "candidate.hourly_cost", why, remedy) if {
	_increase > _limits.increase_with_capacity
	why := sprintf("an hour costs %s of the baseline's", [text.measured(_increase, [_limits.increase_with_capacity])])
	remedy := sprintf(
		"at most %s is allowed at once, choose a smaller configuration",
		[text.percent(_limits.increase_with_capacity)],
	)
}

deny contains reason.denial("cost.monthly-increase", "candidate.monthly_cost", why, remedy) if {
	is_number(input.relative.monthly_cost)
	input.relative.monthly_cost > _limits.monthly_increase
	why := sprintf(
		"the expected traffic costs %s of the baseline's a month",
		[text.measured(input.relative.monthly_cost, [_limits.monthly_increase])],
	)
	remedy := sprintf(
		"at most %s is allowed, choose a cheaper configuration",
		[text.percent(_limits.monthly_increase)],
	)
}

warn contains reason.warning("cost.increase", "candidate.hourly_cost", why) if {
	_increase > _limits.increase
	_increase <= _limits.increase_with_capacity
	_capacity_pays
	why := sprintf(
		"an hour costs %s of the baseline's, for %s of its capacity",
		[text.measured(_increase, []), text.measured(input.relative.capacity, [])],
	)
}

_write_a_limit := sprintf("write a number or null into limits.cost.currencies.%s", [input.currency])

_absolute := object.get(_limits.currencies, input.currency, null)

_cost := {
	"per_million": input.candidate.fleet.cost_per_million,
	"hourly": input.candidate.fleet.hourly_cost,
	"monthly": input.candidate.monthly_cost,
}

_path := {
	"per_million": "candidate.cost_per_million",
	"hourly": "candidate.hourly_cost",
	"monthly": "candidate.monthly_cost",
}

_over[name] := {"why": why, "remedy": remedy} if {
	some name, cost in _cost
	is_number(cost)
	is_number(_absolute[name])
	cost > _absolute[name]
	why := sprintf(
		"%s costs %s %s, the limit is %s %s",
		[_words[name], text.number(cost), input.currency, text.number(_absolute[name]), input.currency],
	)
	remedy := sprintf("choose a cheaper configuration, or raise limits.cost.currencies.%s.%s", [input.currency, name])
}

_words := {
	"per_million": "a million requests",
	"hourly": "an hour of all replicas",
	"monthly": "a month",
}

_increase := input.relative.hourly_cost if is_number(input.relative.hourly_cost)

_capacity_pays if {
	is_number(input.relative.capacity)
	input.relative.capacity >= _increase
}
