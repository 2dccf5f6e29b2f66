# METADATA
# title: Budget of a campaign
# description: >
#   What a spec may spend on finding out: trials, time and money at most. A team that is listed in limits.teams may have
#   limits of its own, lower or higher.
package tuner.policy.budget

import data.tuner.reason
import data.tuner.text

default _limits := {}

_limits := object.union(data.limits.budget, object.get(_own, "budget", {}))

default _own := {}

_own := data.limits.teams[input.team]

# A limit that is missing or no number would make its rule silent, so it denies by itself.
deny contains reason.denial("budget.limits", "limits.budget", why, remedy) if {
	remedy := "write it into the policies' data"
	some name in ["trials", "wall_clock"]
	not is_number(object.get(_limits, name, null))
	why := sprintf("the limit budget.%s is missing or no number", [name])
}

deny contains reason.denial("budget.currency", "currency", why, remedy) if {
	not is_number(_money)
	why := sprintf("there is no limit in %s for what a campaign may cost", [input.currency])
	remedy := sprintf("add limits.budget.money.%s to the policies' data", [input.currency])
}

# What is not known is no number, and would make its rule silent as well.
deny contains reason.denial("budget.unknown", name, why, "state it in the spec's budget and prices") if {
	some name in ["trials", "wall_clock", "money"]
	not _known(name)
	why := sprintf("it is not known how much the campaign may take (%s)", [name])
}

deny contains reason.denial("budget.trials", "trials", why, remedy) if {
	input.trials > _limits.trials
	why := sprintf("up to %d trials, %s are allowed", [input.trials, text.number(_limits.trials)])
	remedy := "lower budget.trials in the spec"
}

deny contains reason.denial("budget.wall-clock", "wall_clock", why, remedy) if {
	input.wall_clock > _limits.wall_clock
	why := sprintf("up to %s s, %s s are allowed", [text.number(input.wall_clock), text.number(_limits.wall_clock)])
	remedy := "lower budget.wallClock in the spec"
}

deny contains reason.denial("budget.money", "money", why, remedy) if {
	is_number(_money)
	input.money > _money
	why := sprintf(
		"up to %s %s, %s %s are allowed",
		[text.number(input.money), input.currency, text.number(_money), input.currency],
	)
	remedy := "lower budget.trials or budget.wallClock in the spec"
}

_money := object.get(_limits, ["money", input.currency], null)

_known(name) if is_number(input[name])
