# METADATA
# title: Analysis of a roll-out
# description: Something measures the canary while it runs, and ends the roll-out where it is worse.
package tuner.policy.analysis

import data.tuner.reason

deny contains reason.denial("analysis.missing", "analyses", why, remedy) if {
	count(_templates) == 0
	why := "no analysis looks at the canary"
	remedy := "add an analysis to the steps, or one that runs in the background"
}

deny contains reason.denial("analysis.unknown", "analyses", why, remedy) if {
	remedy := "add it to the repository, or name one that is there"
	some template in _templates
	not template in input.templates
	why := sprintf("there is no analysis template %s", [template])
}

deny contains reason.denial("analysis.late", "steps.0", why, remedy) if {
	count(_templates) > 0
	count(input.analyses) == 0
	count(input.steps[0].analyses) == 0
	why := "the first step is left before anything was analysed"
	remedy := "add an analysis to the first step, or one that runs in the background"
}

_templates := {template | some template in input.analyses} | {template |
	some step in input.steps
	some template in step.analyses
}
