# METADATA
# title: Size of the change
# description: >
#   A pull request changes something, not too much at once, and nothing that tuning has no business with. Steps are
#   measured against what is deployed, whatever the baseline was.
package tuner.policy.change

import data.tuner.text

default _limits := {}

_limits := data.limits.change

# A limit that is missing or no number would make its rule silent, so it denies by itself.
deny contains denial("change.limits", "limits.change", msg) if {
	some name, limit in _needed
	not is_number(limit)
	msg := sprintf("the limit change.%s is missing or no number: write it into the policies' data", [name])
}

deny contains denial("change.empty", "changes", msg) if {
	count(input.changes) == 0
	msg := "no parameter changes: keep the baseline"
}

deny contains denial("change.parameters", "changes", msg) if {
	count(input.changes) > _limits.parameters
	msg := sprintf(
		"%d parameters change at once, %s are allowed: tune fewer of them in one spec",
		[count(input.changes), text.number(_limits.parameters)],
	)
}

deny contains denial("change.image", "candidate.workload.image", msg) if {
	input.candidate.workload.image != input.deployed.image
	msg := sprintf(
		"the image would change from %s to %s: tuning keeps the image, change it in a commit of its own",
		[input.deployed.image, input.candidate.workload.image],
	)
}

deny contains denial("change.step", path, msg) if {
	some name, step in _limits.step
	ratio := input.relative[name]
	is_number(ratio)
	not _within(ratio, step)
	path := _path[name]
	msg := sprintf(
		"%s would become %s of what is deployed, from %s to %s is allowed: go there in smaller steps",
		[name, text.measured(ratio, [step.min, step.max]), text.percent(step.min), text.percent(step.max)],
	)
}

deny contains denial("change.limit-removed", path, msg) if {
	some name in ["cpu", "memory"]
	is_number(input.deployed.resources[name])
	input.candidate.workload.resources[name] == null
	path := _path[name]
	msg := sprintf("the limit of %s would be removed: keep one", [name])
}

warn contains warning("change.limit-added", path, msg) if {
	some name in ["cpu", "memory"]
	input.deployed.resources[name] == null
	is_number(input.candidate.workload.resources[name])
	path := _path[name]
	msg := sprintf("%s gets a limit, there is none today", [name])
}

warn contains warning("change.gpus-added", _path.gpus, msg) if {
	not is_number(input.relative.gpus)
	count(_gpus) > 0
	msg := "the service gets GPUs, it has none today"
}

_gpus contains resource if {
	some resource, wanted in input.candidate.workload.resources.gpus
	wanted > 0
}

_needed["parameters"] := object.get(_limits, "parameters", null)

_needed[name] := value if {
	some part in ["replicas", "cpu", "memory", "gpus"]
	some end in ["min", "max"]
	name := sprintf("step.%s.%s", [part, end])
	value := object.get(_limits, ["step", part, end], null)
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

denial(id, path, msg) := {"id": id, "severity": "deny", "msg": msg, "path": path}

warning(id, path, msg) := {"id": id, "severity": "warn", "msg": msg, "path": path}
