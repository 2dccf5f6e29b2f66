package tuner.policy.quota_test

import data.tuner.fixture_test as fixture
import data.tuner.policy.quota

_slice := "nvidia.com/mig-1g.10gb"

_entries := [
	{"product": "NVIDIA-H100-80GB-HBM3", "resource": _slice, "limit": 7, "taken": 2, "reserved": 0, "uncounted": []},
	{"product": "NVIDIA-A100-SXM4-40GB", "resource": _slice, "limit": 4, "taken": 0, "reserved": 0, "uncounted": []},
]

_wanting(wanted, board) := fixture.but({
	"quota": _entries,
	"candidate": {"product": board, "fleet": {"gpus": {_slice: wanted}}},
})

test_no_gpu_needs_no_quota if {
	quota.deny == set() with input as fixture.good
	quota.deny == set() with input as _wanting(0, null)
}

test_within_the_quota_is_allowed if {
	quota.deny == set() with input as _wanting(4, "NVIDIA-H100-80GB-HBM3")
	quota.warn == set() with input as _wanting(4, "NVIDIA-H100-80GB-HBM3")
}

test_the_last_one_is_warned_of if {
	quota.deny == set() with input as _wanting(5, "NVIDIA-H100-80GB-HBM3")
	fixture.ids(quota.warn) == {"quota.last"} with input as _wanting(5, "NVIDIA-H100-80GB-HBM3")
}

test_what_others_hold_counts if {
	some denial in quota.deny with input as _wanting(6, "NVIDIA-H100-80GB-HBM3")
	denial.id == "quota.exceeded"
	denial.path == "candidate.workload.resources.gpus.nvidia.com/mig-1g.10gb"
	startswith(denial.msg, "6 of nvidia.com/mig-1g.10gb on NVIDIA-H100-80GB-HBM3 are wanted, 5 of 7 are free")
}

test_the_same_profile_on_another_board_has_its_own_quota if {
	quota.deny == set() with input as _wanting(4, "NVIDIA-A100-SXM4-40GB")
	fixture.ids(quota.deny) == {"quota.exceeded"} with input as _wanting(5, "NVIDIA-A100-SXM4-40GB")
}

test_an_unknown_board_denies if {
	fixture.ids(quota.deny) == {"quota.product"} with input as _wanting(1, null)
}

test_without_a_quota_there_is_none if {
	fixture.ids(quota.deny) == {"quota.unlisted"} with input as _wanting(1, "NVIDIA-H200")
	fixture.ids(quota.deny) == {"quota.unlisted"} with input as object.union(
		_wanting(1, "NVIDIA-H100-80GB-HBM3"),
		{"quota": []},
	)
}

test_what_open_pull_requests_reserve_counts if {
	reserved := object.union(_wanting(5, "NVIDIA-H100-80GB-HBM3"), {"quota": [object.union(
		_entries[0],
		{"reserved": 1},
	)]})
	some denial in quota.deny with input as reserved
	denial.reason == concat(" ", [
		"5 of nvidia.com/mig-1g.10gb on NVIDIA-H100-80GB-HBM3 are wanted, 4 of 7 are free,",
		"1 are reserved by open pull requests",
	])
}

test_a_quota_for_any_board_counts_beside_that_of_the_board if {
	any_board := {"product": "*", "resource": _slice, "limit": 3, "taken": 0, "reserved": 0, "uncounted": []}
	both := object.union(_wanting(4, "NVIDIA-H100-80GB-HBM3"), {"quota": array.concat(_entries, [any_board])})
	some denial in quota.deny with input as both
	startswith(denial.reason, "4 of nvidia.com/mig-1g.10gb on any board are wanted, 3 of 3 are free")
}

test_a_manifest_that_cannot_be_read_may_hold_anything if {
	entry := object.union(_entries[0], {"uncounted": ["chart/templates/deployment.yaml"]})
	unread := object.union(_wanting(1, "NVIDIA-H100-80GB-HBM3"), {"quota": [entry]})
	fixture.ids(quota.deny) == {"quota.uncounted"} with input as unread
	quota.deny == set() with input as object.union(fixture.good, {"quota": [entry]})
}
