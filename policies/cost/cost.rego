# METADATA
# title: Cost
# description: >
#   Absolute limits by currency, and the candidate against the baseline. Costs of an hour are those of all replicas, a
#   million requests is taken at the lower end of the candidate's capacity.
package tuner.policy.cost

import data.tuner.text

default _limits := {}

_limits := data.limits.cost

# A limit that is missing or no number would make its rule silent, so it denies by itself.
deny contains denial("cost.limits", "limits.cost", msg) if {
	some name in ["increase", "increase_with_capacity", "monthly_increase"]
	not is_number(object.get(_limits, name, null))
	msg := sprintf("the limit cost.%s is missing or no number: write it into the policies' data", [name])
}

deny contains denial("cost.currency", "currency", msg) if {
	not is_object(_absolute)
	msg := sprintf(
		"there are no limits for %s: add limits.cost.currencies.%s to the policies' data",
		[input.currency, input.currency],
	)
}

# Null is the way to say that there is no limit.
deny contains denial("cost.limits", "limits.cost", msg) if {
	is_object(_absolute)
	some name in ["per_million", "hourly", "monthly"]
	not type_name(object.get(_absolute, name, false)) in {"number", "null"}
	msg := sprintf(
		"the limit %s for %s is missing: write a number or null into limits.cost.currencies.%s",
		[name, input.currency, input.currency],
	)
}

deny contains denial("cost.unknown", path, msg) if {
	some name in ["per_million", "hourly"]
	_cost[name] == null
	path := _path[name]
	msg := sprintf("the candidate's cost (%s) is not known: state prices for every resource in the spec", [name])
}

deny contains denial(id, path, msg) if {
	some name, cost in _cost
	is_number(cost)
	is_number(_absolute[name])
	cost > _absolute[name]
	id := sprintf("cost.%s", [replace(name, "_", "-")])
	path := _path[name]
	msg := sprintf(
		"%s costs %s %s, the limit is %s %s: choose a cheaper configuration, or raise limits.cost.currencies.%s.%s",
		[_words[name], text.number(cost), input.currency, text.number(_absolute[name]), input.currency, input.currency, name],
	)
}

deny contains denial("cost.incomparable", "baseline.hourly_cost", msg) if {
	not is_number(input.relative.hourly_cost)
	input.candidate.fleet.hourly_cost > 0
	msg := "the baseline costs nothing, so nothing can be compared with it: state prices for its resources"
}

deny contains denial("cost.increase", "candidate.hourly_cost", msg) if {
	_increase > _limits.increase
	not _capacity_pays
	msg := sprintf(
		"an hour costs %s of the baseline's and capacity is not up as much: at most %s is allowed without that",
		[text.measured(_increase, [_limits.increase]), text.percent(_limits.increase)],
	)
}

deny contains denial("cost.increase", "candidate.hourly_cost", msg) if {
	_increase > _limits.increase_with_capacity
	msg := sprintf(
		"an hour costs %s of the baseline's: at most %s is allowed at once, choose a smaller configuration",
		[text.measured(_increase, [_limits.increase_with_capacity]), text.percent(_limits.increase_with_capacity)],
	)
}

deny contains denial("cost.monthly-increase", "candidate.monthly_cost", msg) if {
	is_number(input.relative.monthly_cost)
	input.relative.monthly_cost > _limits.monthly_increase
	msg := sprintf(
		"the expected traffic costs %s of the baseline's a month: at most %s is allowed, choose a cheaper configuration",
		[text.measured(input.relative.monthly_cost, [_limits.monthly_increase]), text.percent(_limits.monthly_increase)],
	)
}

warn contains warning("cost.increase", "candidate.hourly_cost", msg) if {
	_increase > _limits.increase
	_increase <= _limits.increase_with_capacity
	_capacity_pays
	msg := sprintf(
		"an hour costs %s of the baseline's, for %s of its capacity",
		[text.measured(_increase, []), text.measured(input.relative.capacity, [])],
	)
}

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

denial(id, path, msg) := {"id": id, "severity": "deny", "msg": msg, "path": path}

warning(id, path, msg) := {"id": id, "severity": "warn", "msg": msg, "path": path}
