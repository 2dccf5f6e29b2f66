# METADATA
# title: Size of the change
# description: >
#   A pull request changes something, not too much at once, and nothing that tuning has no business with. Steps are
#   measured against what is deployed, whatever the baseline was.
package tuner.policy.change

import data.tuner.reason
import data.tuner.text

default _limits := {}

_limits := data.limits.change

# A limit that is missing or no number would make its rule silent, so it denies by itself.
deny contains reason.denial("change.limits", "limits.change", why, "write it into the policies' data") if {
	not is_number(object.get(_limits, "parameters", null))
	why := "the limit change.parameters is missing or no number"
}

deny contains reason.denial("change.limits", "limits.change", why, remedy) if {
	remedy := "write it into the policies' data"
	some part in ["replicas", "cpu", "memory", "gpus"]
	some end in ["min", "max"]
	not is_number(object.get(_limits, ["step", part, end], null))
	why := sprintf("the limit change.step.%s.%s is missing or no number", [part, end])
}

deny contains reason.denial("change.empty", "changes", why, remedy) if {
	count(input.changes) == 0
	why := "no parameter changes"
	remedy := "keep the baseline"
}

deny contains reason.denial("change.parameters", "changes", why, remedy) if {
	count(input.changes) > _limits.parameters
	why := sprintf(
		"%d parameters change at once, %s are allowed",
		[count(input.changes), text.number(_limits.parameters)],
	)
	remedy := "tune fewer of them in one spec"
}

deny contains reason.denial("change.image", "candidate.workload.image", why, remedy) if {
	input.candidate.workload.image != input.deployed.image
	why := sprintf("the image would change from %s to %s", [input.deployed.image, input.candidate.workload.image])
	remedy := "tuning keeps the image, change it in a commit of its own"
}

deny contains reason.denial("change.step", path, why, remedy) if {
	remedy := "go there in smaller steps"
	some name, step in _limits.step
	ratio := input.relative[name]
	is_number(ratio)
	not _within(ratio, step)
	path := _path[name]
	why := sprintf(
		"%s would become %s of what is deployed, from %s to %s is allowed",
		[name, text.measured(ratio, [step.min, step.max]), text.percent(step.min), text.percent(step.max)],
	)
}

deny contains reason.denial("change.limit-removed", path, why, remedy) if {
	remedy := "keep one"
	some name in ["cpu", "memory"]
	is_number(input.deployed.resources[name])
	input.candidate.workload.resources[name] == null
	path := _path[name]
	why := sprintf("the limit of %s would be removed", [name])
}

warn contains reason.warning("change.limit-added", path, why) if {
	some name in ["cpu", "memory"]
	input.deployed.resources[name] == null
	is_number(input.candidate.workload.resources[name])
	path := _path[name]
	why := sprintf("%s gets a limit, there is none today", [name])
}

warn contains reason.warning("change.gpus-added", _path.gpus, why) if {
	not is_number(input.relative.gpus)
	count(_gpus) > 0
	why := "the service gets GPUs, it has none today"
}

_gpus contains resource if {
	some resource, wanted in input.candidate.workload.resources.gpus
	wanted > 0
}

_within(ratio, step) if {
	ratio >= step.min
	ratio <= step.max
}

_path := {
	"replicas": "candidate.workload.replicas",
	"cpu": "candidate.workload.resources.cpu",
	"memory": "candidate.workload.resources.memory",
	"gpus": "candidate.workload.resources.gpus",
}
