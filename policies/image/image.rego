# METADATA
# title: Image
# description: The image comes from a listed registry and is pinned by digest.
package tuner.policy.image

default _limits := {}

_limits := data.limits.image

_image := input.candidate.workload.image

deny contains denial("image.unpinned", msg) if {
	not _may_be_unpinned
	not regex.match(`^[^@\s]+@sha256:[0-9a-f]{64}$`, _image)
	msg := sprintf("the image %s is not pinned: write it with its digest, name@sha256:…", [_image])
}

deny contains denial("image.registry", msg) if {
	not _listed
	msg := sprintf(
		"the image %s comes from %s: use a listed registry, or add it to limits.image.registries",
		[_image, split(_repository, "/")[0]],
	)
}

warn contains warning("image.unpinned", msg) if {
	_may_be_unpinned
	not contains(_image, "@sha256:")
	msg := sprintf("the image %s is not pinned: what runs may change without a commit", [_image])
}

_may_be_unpinned if _limits.pinned == false

_listed if {
	some registry in _limits.registries
	startswith(_repository, concat("", [trim_right(registry, "/"), "/"]))
}

# The image's name with the registry that container runtimes assume where none is written.
_repository := _image if _has_registry

_repository := concat("/", ["docker.io", _image]) if {
	not _has_registry
	contains(_image, "/")
}

_repository := concat("/", ["docker.io/library", _image]) if {
	not _has_registry
	not contains(_image, "/")
}

_has_registry if {
	contains(_image, "/")
	regex.match(`[.:]|^localhost$`, split(_image, "/")[0])
}

denial(id, msg) := {"id": id, "severity": "deny", "msg": msg, "path": "candidate.workload.image"}

warning(id, msg) := {"id": id, "severity": "warn", "msg": msg, "path": "candidate.workload.image"}
