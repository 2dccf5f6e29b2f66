# METADATA
# title: Evidence
# description: Enough was measured, and what was measured excludes that the candidate is no better.
package tuner.policy.evidence

import data.tuner.reason
import data.tuner.text

default _limits := {}

_limits := data.limits.evidence

# A limit that is missing or no number would make its rule silent, so it denies by itself.
deny contains reason.denial("evidence.limits", "limits.evidence", why, remedy) if {
	remedy := "write it into the policies' data"
	some name in ["trials", "blocks", "confidence", "gain"]
	not is_number(object.get(_limits, name, null))
	why := sprintf("the limit evidence.%s is missing or no number", [name])
}

deny contains reason.denial("evidence.trials", "trials", why, remedy) if {
	input.trials < _limits.trials
	needed := text.number(_limits.trials)
	why := sprintf("%d trials were completed, %s are needed", [input.trials, needed])
	remedy := "raise budget.trials"
}

deny contains reason.denial("evidence.blocks", "blocks", why, remedy) if {
	input.blocks < _limits.blocks
	needed := text.number(_limits.blocks)
	why := sprintf("the confirmation has %d blocks, %s are needed", [input.blocks, needed])
	remedy := "raise the budget"
}

deny contains reason.denial("evidence.confidence", "confidence", why, remedy) if {
	input.confidence < _limits.confidence
	why := sprintf(
		"stated with a confidence of %s, %s is needed",
		[text.measured(input.confidence, [_limits.confidence]), text.percent(_limits.confidence)],
	)
	remedy := "raise slo.confidence in the spec"
}

deny contains reason.denial("evidence.interval", "ratio", why, remedy) if {
	not _ordered
	why := "the interval of the gain does not hold its value"
	remedy := "measure again"
}

deny contains reason.denial("evidence.gain", "ratio.low", why, remedy) if {
	input.ratio.low <= _limits.gain
	why := sprintf(
		"the gain may be as low as %s of the baseline, it has to be above %s",
		[text.measured(input.ratio.low, [_limits.gain]), text.percent(_limits.gain)],
	)
	remedy := "measure longer, or keep the baseline"
}

# What was measured is what is proposed. Trials that ran as no pod (null) are judged by their workload alone.
deny contains reason.denial("evidence.template", "template.proposed", why, remedy) if {
	is_object(input.template)
	why := "the pod that was measured is not the pod that is proposed"
	remedy := "measure the configuration as it is proposed"
	some digest in input.template.measured
	digest != input.template.proposed
}

deny contains reason.denial("evidence.template", "template.measured", why, remedy) if {
	is_object(input.template)
	count(input.template.measured) == 0
	why := "no pod was measured for what is proposed"
	remedy := "measure the configuration as it is proposed"
}

_ordered if {
	input.ratio.low <= input.ratio.value
	input.ratio.value <= input.ratio.high
}
