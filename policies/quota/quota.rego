# METADATA
# title: Quota of GPUs and MIG slices
# description: >
#   What all replicas of the candidate hold, counted by board and resource, stays within the quota file of the
#   repository. Profile names mean different slices on different boards, so the board has to be known.
package tuner.policy.quota

deny contains denial("quota.product", "candidate.product", msg) if {
	some resource, wanted in _wanted
	not _board
	msg := sprintf(
		"%d of %s on an unknown board: bind the pods to one by the node label nvidia.com/gpu.product",
		[wanted, resource],
	)
}

deny contains denial("quota.unlisted", _path(resource), msg) if {
	some resource, wanted in _wanted
	not _entry(resource)
	msg := sprintf(
		"%d of %s on %s, for which there is no quota: add the product and resource to the quota file",
		[wanted, resource, _board],
	)
}

deny contains denial("quota.exceeded", _path(resource), msg) if {
	some resource, wanted in _wanted
	entry := _entry(resource)
	entry.taken + wanted > entry.limit
	msg := sprintf(
		"%d of %s on %s are wanted, %d of %d are free: use fewer replicas or another profile, or raise the quota",
		[wanted, resource, entry.product, max([0, entry.limit - entry.taken]), entry.limit],
	)
}

warn contains warning("quota.last", _path(resource), msg) if {
	some resource, wanted in _wanted
	entry := _entry(resource)
	entry.taken + wanted == entry.limit
	msg := sprintf("nothing of %s on %s is left after this change", [resource, entry.product])
}

_wanted[resource] := wanted if {
	some resource, wanted in input.candidate.fleet.gpus
	wanted > 0
}

_board := input.candidate.product if is_string(input.candidate.product)

_entry(resource) := entry if {
	some entry in input.quota
	entry.product == _board
	entry.resource == resource
}

_path(resource) := sprintf("candidate.workload.resources.gpus.%s", [resource])

denial(id, path, msg) := {"id": id, "severity": "deny", "msg": msg, "path": path}

warning(id, path, msg) := {"id": id, "severity": "warn", "msg": msg, "path": path}
