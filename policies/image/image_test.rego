package tuner.policy.image_test

import data.tuner.fixture_test as fixture
import data.tuner.policy.image

_digest := concat("", ["@sha256:", concat("", ["0" | numbers.range(1, 64)[_]])])

_with(name) := fixture.but({"candidate": {"workload": {"image": name}}})

_pinned(name) := _with(concat("", [name, _digest]))

test_good_has_no_denial if {
	image.deny == set() with input as fixture.good
	image.warn == set() with input as fixture.good
}

test_a_tag_is_no_pin if {
	every name in ["nvcr.io/nvidia/triton:25.10", "nvcr.io/nvidia/triton", "nvcr.io/nvidia/triton@sha256:abc"] {
		fixture.ids(image.deny) == {"image.unpinned"} with input as _with(name)
	}
	fixture.ids(image.deny) == {"image.unpinned"} with input as _with(concat("", ["nvcr.io/nvidia/a", _digest, "0"]))
}

test_pins_may_be_waived_in_the_data_by_a_plain_false_only if {
	waived := _with("nvcr.io/nvidia/triton:25.10")
	image.deny == set() with input as waived with data.limits.image.pinned as false
	fixture.ids(image.warn) == {"image.unpinned"} with input as waived with data.limits.image.pinned as false
	fixture.ids(image.deny) == {"image.unpinned"} with input as waived with data.limits.image.pinned as "false"
}

test_a_tag_beside_the_digest_is_fine if {
	image.deny == set() with input as _pinned("nvcr.io/nvidia/triton:25.10")
}

test_registries_are_compared_by_whole_parts if {
	listed := ["nvcr.io/nvidia", "localhost:5000/", "docker.io/library"]
	every name in ["nvcr.io/nvidia/a", "localhost:5000/a", "nginx", "docker.io/library/nginx"] {
		image.deny == set() with input as _pinned(name) with data.limits.image.registries as listed
	}
	every name in ["nvcr.io/nvidia2/a", "nvcr.io/a", "nvcr.io.example/nvidia/a", "localhost/a", "someone/nginx"] {
		fixture.ids(image.deny) == {"image.registry"} with input as _pinned(name) with data.limits.image.registries as listed
	}
}

test_the_assumed_registry_is_told if {
	some denial in image.deny with input as _pinned("someone/nginx")
	contains(denial.msg, "comes from docker.io: use a listed registry")
}

test_without_limits_nothing_is_listed if {
	fixture.ids(image.deny) == {"image.registry"} with input as fixture.good with data.limits as {}
}

test_the_image_of_the_manifest_is_judged_before_there_is_a_candidate if {
	image.deny == set() with input as fixture.start
	tagged := fixture.start_but({"image": "nvcr.io/nvidia/triton:25.10"})
	denials := image.deny with input as tagged
	{[denial.id, denial.path] | some denial in denials} == {["image.unpinned", "image"]}
}
