package tuner.policy.accelerator_test

import data.tuner.fixture_test as fixture
import data.tuner.policy.accelerator

_slice := "nvidia.com/mig-1g.10gb"

_some := {"resources": {_slice: 2}, "products": ["NVIDIA-H100-80GB-HBM3"]}

_using(gpus, board) := fixture.start_but({"gpus": gpus, "products": [board]})

test_null_lets_every_one if {
	accelerator.deny == set() with input as _using({"nvidia.com/gpu": 8}, "")
}

test_what_is_listed_may_be_used if {
	most := _using({_slice: 2}, "NVIDIA-H100-80GB-HBM3")
	accelerator.deny == set() with input as most with data.limits.accelerators as _some
	accelerator.deny == set() with input as _using({}, "") with data.limits.accelerators as _some
	accelerator.deny == set() with input as _using({_slice: 0}, "") with data.limits.accelerators as _some
}

test_each_limit_denies if {
	other := _using({"nvidia.com/gpu": 1}, "NVIDIA-H100-80GB-HBM3")
	fixture.ids(accelerator.deny) == {"accelerator.resource"} with input as other with data.limits.accelerators as _some
	many := _using({_slice: 3}, "NVIDIA-H100-80GB-HBM3")
	fixture.ids(accelerator.deny) == {"accelerator.count"} with input as many with data.limits.accelerators as _some
	elsewhere := _using({_slice: 1}, "NVIDIA-H200")
	fixture.ids(accelerator.deny) == {"accelerator.product"} with input as elsewhere with data.limits.accelerators as _some
	nowhere := _using({_slice: 1}, "")
	fixture.ids(accelerator.deny) == {"accelerator.product"} with input as nowhere with data.limits.accelerators as _some
}

test_a_missing_limit_denies if {
	fixture.ids(accelerator.deny) == {"accelerator.limits"} with input as fixture.start with data.limits as {}
}
