# METADATA
# title: Steps of a roll-out
# description: >
#   A roll-out goes on in steps, none of them too big, each with time or an analysis before the next. A pause of null
#   waits for a person.
package tuner.policy.steps

import data.tuner.reason
import data.tuner.text

default _limits := {}

_limits := data.limits.steps

# A limit that is missing or no number would make its rule silent, so it denies by itself.
deny contains reason.denial("steps.limits", "limits.steps", why, remedy) if {
	remedy := "write it into the policies' data"
	some name in ["first", "increase", "pause"]
	not is_number(object.get(_limits, name, null))
	why := sprintf("the limit steps.%s is missing or no number", [name])
}

deny contains reason.denial("steps.none", "steps", why, remedy) if {
	count(_weights) == 0
	why := "the roll-out has no step before all traffic"
	remedy := "add steps with a weight below 100"
}

deny contains reason.denial("steps.first", _path(0), why, remedy) if {
	_weights[0] > _limits.first
	why := sprintf("the first step takes %s %% of the traffic", [text.number(_weights[0])])
	remedy := sprintf("take at most %s %%", [text.number(_limits.first)])
}

deny contains reason.denial("steps.increase", _path(index), why, remedy) if {
	remedy := sprintf("add steps, so that none takes more than %s %% more", [text.number(_limits.increase)])
	some index, weight in _reached
	index > 0
	weight - _reached[index - 1] > _limits.increase
	why := sprintf(
		"a step goes from %s %% to %s %% of the traffic",
		[text.number(_reached[index - 1]), text.number(weight)],
	)
}

deny contains reason.denial("steps.backwards", _path(index), why, remedy) if {
	remedy := "let every step take more than the one before"
	some index, weight in _weights
	index > 0
	weight <= _weights[index - 1]
	why := sprintf("a step goes from %s %% to %s %%", [text.number(_weights[index - 1]), text.number(weight)])
}

deny contains reason.denial("steps.pause", _path(index), why, remedy) if {
	remedy := sprintf("let it take %s s, or add an analysis", [text.number(_limits.pause)])
	some index, step in input.steps
	is_number(step.pause)
	step.pause < _limits.pause
	count(step.analyses) == 0
	why := sprintf("step %d ends after %s s without an analysis", [index + 1, text.number(step.pause)])
}

_weights := [step.weight | some step in input.steps]

# With what comes after the last step: all traffic.
_reached := array.concat(_weights, [100])

_path(index) := sprintf("steps.%d", [index])
