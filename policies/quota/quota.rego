# METADATA
# title: Quota of GPUs and MIG slices
# description: >
#   What all replicas of the candidate hold, counted by board and resource, is still free: what the quota file and the
#   ResourceQuotas allow, less what other manifests and open pull requests hold. Profile names mean different slices on
#   different boards, so the board has to be known. A quota for any board has the product "*".
package tuner.policy.quota

import data.tuner.reason

deny contains reason.denial("quota.product", "candidate.product", why, remedy) if {
	remedy := "bind the pods to one by the node label nvidia.com/gpu.product"
	some resource, wanted in _wanted
	not _board
	why := sprintf("%d of %s on an unknown board", [wanted, resource])
}

deny contains reason.denial("quota.unlisted", _path(resource), why, remedy) if {
	remedy := "add the product and resource to the quota file"
	some resource, wanted in _wanted
	_board
	count(_entries[resource]) == 0
	why := sprintf("%d of %s on %s, for which there is no quota", [wanted, resource, _board])
}

deny contains reason.denial("quota.exceeded", _path(resource), why, remedy) if {
	remedy := "use fewer replicas or another profile, or raise the quota"
	some resource, wanted in _wanted
	some entry in _entries[resource]
	wanted > _free(entry)
	why := sprintf(
		"%d of %s on %s are wanted, %d of %d are free%s",
		[wanted, resource, _words(entry), max([0, _free(entry)]), entry.limit, _held(entry)],
	)
}

# A manifest that cannot be read may hold anything.
deny contains reason.denial("quota.uncounted", _path(resource), why, remedy) if {
	remedy := "write plain Kubernetes YAML, or add what it holds to taken and list the file under uncounted"
	some resource, _ in _wanted
	some entry in _entries[resource]
	some file in entry.uncounted
	why := sprintf("it cannot be told how much of %s the file %s holds", [resource, file])
}

warn contains reason.warning("quota.last", _path(resource), why) if {
	some resource, wanted in _wanted
	some entry in _entries[resource]
	wanted == _free(entry)
	why := sprintf("nothing of %s on %s is left after this change", [resource, _words(entry)])
}

_wanted[resource] := wanted if {
	some resource, wanted in input.candidate.fleet.gpus
	wanted > 0
}

_board := input.candidate.product if is_string(input.candidate.product)

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

_free(entry) := (entry.limit - entry.taken) - object.get(entry, "reserved", 0)

_words(entry) := entry.product if entry.product != "*"

_words(entry) := "any board" if entry.product == "*"

_held(entry) := sprintf(", %d are reserved by open pull requests", [entry.reserved]) if entry.reserved > 0

_held(entry) := "" if object.get(entry, "reserved", 0) <= 0

_path(resource) := sprintf("candidate.workload.resources.gpus.%s", [resource])
