# METADATA
# title: Accelerators
# description: >
#   Which GPUs and MIG profiles a campaign may use, how many of each at once, and on which boards. limits.accelerators
#   null lets every one.
package tuner.policy.accelerator

import data.tuner.reason
import data.tuner.text

default _limits := false

_limits := data.limits.accelerators

deny contains reason.denial("accelerator.limits", "limits.accelerators", why, remedy) if {
	not type_name(_limits) in {"object", "null"}
	why := "the limit accelerators is missing"
	remedy := "write the resources and boards that may be used, or null for all, into limits.accelerators"
}

deny contains reason.denial("accelerator.resource", _path(resource), why, remedy) if {
	is_object(_limits)
	some resource, _ in _wanted
	not is_number(object.get(_limits, ["resources", resource], null))
	why := sprintf("%s may not be used by campaigns", [resource])
	remedy := sprintf("use another resource, or add %s to limits.accelerators.resources", [resource])
}

deny contains reason.denial("accelerator.count", _path(resource), why, _narrow) if {
	is_object(_limits)
	some resource, wanted in _wanted
	wanted > _limits.resources[resource]
	allowed := text.number(_limits.resources[resource])
	why := sprintf("up to %d of %s at once, %s are allowed", [wanted, resource, allowed])
}

deny contains reason.denial("accelerator.product", "products", why, _bind) if {
	is_object(_limits)
	is_array(_limits.products)
	count(_wanted) > 0
	some board in input.products
	not board in _limits.products
	why := sprintf("the board %s may not be used by campaigns", [_named(board)])
}

_narrow := "narrow the parameter that asks for them"

_bind := "bind the pods to a listed one by the node label nvidia.com/gpu.product"

_wanted[resource] := wanted if {
	some resource, wanted in input.gpus
	wanted > 0
}

_named(board) := board if board != ""

_named("") := "that is not known"

_path(resource) := sprintf("gpus.%s", [resource])
