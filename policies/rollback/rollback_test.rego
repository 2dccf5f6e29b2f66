package tuner.policy.rollback_test

import data.tuner.fixture_test as fixture
import data.tuner.policy.rollback

test_good_has_no_denial if {
	rollback.deny == set() with input as fixture.good
	rollback.warn == set() with input as fixture.good
	rollback.deny == set() with input as fixture.rollout
}

test_without_a_plan_nothing_changes if {
	fixture.ids(rollback.deny) == {"rollback.missing"} with input as fixture.but({"rollback": null})
	fixture.ids(rollback.deny) == {"rollback.missing"} with input as fixture.but({"rollback": {"commit": "main"}})
	nothing := object.union(object.remove(fixture.good, ["rollback"]), {"rollback": {"commit": "b", "files": {}}})
	fixture.ids(rollback.deny) == {"rollback.missing"} with input as nothing
}

test_every_changed_file_has_its_way_back if {
	more := fixture.but({"files": ["configs/orientation/deployment.yaml", "new.yaml"]})
	some denial in rollback.deny with input as more
	denial.id == "rollback.file"
	denial.reason == "it is not known what new.yaml held before"
}

test_the_way_back_leads_to_an_image_that_stays if {
	tagged := fixture.but({"deployed": {"image": "nvcr.io/nvidia/tritonserver:25.10"}})
	fixture.ids(rollback.deny) == {"rollback.image"} with input as tagged
	rollback.deny == set() with input as tagged with data.limits.image.pinned as false
}

test_a_workload_without_history_is_warned_of if {
	fixture.ids(rollback.warn) == {"rollback.history"} with input as fixture.but({"rollback": {"history": 0}})
}
