# METADATA
# title: Image
# description: The image comes from a listed registry and is pinned by digest.
package tuner.policy.image

import data.tuner.reason

default _limits := {}

_limits := data.limits.image

# Before the first trial there is no candidate: the image that the manifest names is judged.
_image := input.candidate.workload.image

_image := input.image if not input.candidate

_path := "candidate.workload.image" if input.candidate

_path := "image" if not input.candidate

deny contains reason.denial("image.unpinned", _path, why, remedy) if {
	not _may_be_unpinned
	not regex.match(`^[^@\s]+@sha256:[0-9a-f]{64}$`, _image)
	why := sprintf("the image %s is not pinned", [_image])
	remedy := "write it with its digest, name@sha256:…"
}

deny contains reason.denial("image.registry", _path, why, remedy) if {
	not _listed
	why := sprintf("the image %s comes from %s", [_image, split(_repository, "/")[0]])
	remedy := "use a listed registry, or add it to limits.image.registries"
}

warn contains reason.warning("image.unpinned", _path, why) if {
	_may_be_unpinned
	not contains(_image, "@sha256:")
	why := sprintf("the image %s is not pinned: what runs may change without a commit", [_image])
}

_may_be_unpinned if _limits.pinned == false

_listed if {
	some registry in _limits.registries
	startswith(_repository, concat("", [trim_right(registry, "/"), "/"]))
}

# The image's name with the registry that container runtimes assume where none is written.
_repository := _image if _has_registry

_repository := concat("/", [_assumed, _image]) if not _has_registry

_assumed := "docker.io" if contains(_image, "/")

_assumed := "docker.io/library" if not contains(_image, "/")

_has_registry if {
	contains(_image, "/")
	_is_registry(split(_image, "/")[0])
}

_is_registry("localhost") := true

_is_registry(first) if contains(first, ".")

_is_registry(first) if contains(first, ":")
