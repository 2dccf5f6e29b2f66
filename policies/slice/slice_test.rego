package tuner.policy.slice_test

import data.tuner.fixture_test as fixture
import data.tuner.policy.slice

_slice := "nvidia.com/mig-1g.10gb"

_board := "NVIDIA-H100-80GB-HBM3"

_entry := {"product": _board, "resource": _slice, "limit": 7, "taken": 5, "reserved": 1, "uncounted": []}

_surging(surge, board, entries) := fixture.rollout_but({
	"gpus": {_slice: 1},
	"surge": surge,
	"product": board,
	"quota": entries,
})

test_no_gpu_needs_no_slice if {
	slice.deny == set() with input as fixture.rollout
	slice.deny == set() with input as _surging(0, _board, [])
}

test_a_free_slice_is_enough if {
	slice.deny == set() with input as _surging(1, _board, [_entry])
}

test_what_others_hold_and_reserve_is_not_free if {
	some denial in slice.deny with input as _surging(2, _board, [_entry])
	denial.id == "slice.none"
	denial.reason == "the canary needs 2 of nvidia.com/mig-1g.10gb on NVIDIA-H100-80GB-HBM3, 1 of 7 are free"
}

test_the_board_and_its_quota_have_to_be_known if {
	fixture.ids(slice.deny) == {"slice.unlisted"} with input as _surging(1, _board, [])
	"slice.product" in fixture.ids(slice.deny) with input as _surging(1, null, [_entry])
}
