# METADATA
# title: A free slice for the canary
# description: >
#   While old and new run side by side, the replicas that come on top need GPUs of their own. They have to be free: what
#   the stable replicas, other services and open pull requests hold is not.
package tuner.policy.slice

import data.tuner.reason

deny contains reason.denial("slice.product", "product", why, remedy) if {
	remedy := "bind the pods to one by the node label nvidia.com/gpu.product"
	some resource, wanted in _wanted
	not _board
	why := sprintf("the canary needs %d of %s on an unknown board", [wanted, resource])
}

deny contains reason.denial("slice.unlisted", _path(resource), why, remedy) if {
	remedy := "add the product and resource to the quota file"
	some resource, wanted in _wanted
	count(_entries[resource]) == 0
	why := sprintf("the canary needs %d of %s, for which there is no quota", [wanted, resource])
}

deny contains reason.denial("slice.none", _path(resource), why, remedy) if {
	remedy := "let fewer replicas come on top, free some, or raise the quota"
	some resource, wanted in _wanted
	some entry in _entries[resource]
	free := (entry.limit - entry.taken) - entry.reserved
	wanted > free
	why := sprintf(
		"the canary needs %d of %s on %s, %d of %d are free",
		[wanted, resource, entry.product, max([0, free]), entry.limit],
	)
}

_wanted[resource] := wanted if {
	some resource, each in input.gpus
	wanted := each * input.surge
	wanted > 0
}

_board := input.product if is_string(input.product)

# A rule, not a function: worked out once.
_entries[resource] := [entry |
	some entry in input.quota
	entry.resource == resource
	entry.product in _boards
] if {
	some resource, _ in _wanted
}

default _boards := set()

_boards := {_board, "*"}

_path(resource) := sprintf("gpus.%s", [resource])
