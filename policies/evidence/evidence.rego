# METADATA
# title: Evidence
# description: Enough was measured, and what was measured excludes that the candidate is no better.
package tuner.policy.evidence

import data.tuner.text

default _limits := {}

_limits := data.limits.evidence

# A limit that is missing or no number would make its rule silent, so it denies by itself.
deny contains denial("evidence.limits", "limits.evidence", msg) if {
	some name in ["trials", "blocks", "confidence", "gain"]
	not is_number(object.get(_limits, name, null))
	msg := sprintf("the limit evidence.%s is missing or no number: write it into the policies' data", [name])
}

deny contains denial("evidence.trials", "trials", msg) if {
	input.trials < _limits.trials
	needed := text.number(_limits.trials)
	msg := sprintf("%d trials were completed, %s are needed: raise budget.trials", [input.trials, needed])
}

deny contains denial("evidence.blocks", "blocks", msg) if {
	input.blocks < _limits.blocks
	needed := text.number(_limits.blocks)
	msg := sprintf("the confirmation has %d blocks, %s are needed: raise the budget", [input.blocks, needed])
}

deny contains denial("evidence.confidence", "confidence", msg) if {
	input.confidence < _limits.confidence
	msg := sprintf(
		"stated with a confidence of %s, %s is needed: raise slo.confidence in the spec",
		[text.measured(input.confidence, [_limits.confidence]), text.percent(_limits.confidence)],
	)
}

deny contains denial("evidence.interval", "ratio", msg) if {
	not _ordered
	msg := "the interval of the gain does not hold its value: measure again"
}

deny contains denial("evidence.gain", "ratio.low", msg) if {
	input.ratio.low <= _limits.gain
	msg := sprintf(
		"the gain may be as low as %s of the baseline, it has to be above %s: measure longer, or keep the baseline",
		[text.measured(input.ratio.low, [_limits.gain]), text.percent(_limits.gain)],
	)
}

_ordered if {
	input.ratio.low <= input.ratio.value
	input.ratio.value <= input.ratio.high
}

denial(id, path, msg) := {"id": id, "severity": "deny", "msg": msg, "path": path}
