package tuner.policy.change_test

import data.tuner.fixture_test as fixture
import data.tuner.policy.change

test_good_has_no_denial if {
	change.deny == set() with input as fixture.good
	change.warn == set() with input as fixture.good
}

test_nothing_changed_denies if {
	fixture.ids(change.deny) == {"change.empty"} with input as fixture.but({"changes": []})
}

test_too_much_at_once_denies if {
	change.deny == set() with input as fixture.but({"changes": numbers.range(1, 12)})
	some denial in change.deny with input as fixture.but({"changes": numbers.range(1, 13)})
	denial.msg == "13 parameters change at once, 12 are allowed: tune fewer of them in one spec"
}

test_the_image_stays if {
	fixture.ids(change.deny) == {"change.image"} with input as fixture.but({"candidate": {"workload": {"image": "other"}}})
}

test_each_step_has_two_ends if {
	every name in ["replicas", "cpu", "memory", "gpus"] {
		limit := data.limits.change.step[name]
		change.deny == set() with input as fixture.but({"relative": {name: limit.max}})
		change.deny == set() with input as fixture.but({"relative": {name: limit.min}})
		fixture.ids(change.deny) == {"change.step"} with input as fixture.but({"relative": {name: limit.max + 1}})
		fixture.ids(change.deny) == {"change.step"} with input as fixture.but({"relative": {name: 0}})
	}
}

test_the_words_say_how_far_is_allowed if {
	some denial in change.deny with input as fixture.but({"relative": {"replicas": 3}})
	denial.path == "candidate.workload.replicas"
	startswith(denial.msg, "replicas would become 300 % of what is deployed, from 50 % to 200 % is allowed: ")
}

test_a_limit_may_be_added_but_not_removed if {
	removed := fixture.but({"candidate": {"workload": {"resources": {"memory": null}}}, "relative": {"memory": null}})
	fixture.ids(change.deny) == {"change.limit-removed"} with input as removed
	added := fixture.but({"deployed": {"resources": {"cpu": null}}, "relative": {"cpu": null}})
	change.deny == set() with input as added
	fixture.ids(change.warn) == {"change.limit-added"} with input as added
}

test_first_gpus_are_warned_of if {
	gpus := fixture.but({"candidate": {"workload": {"resources": {"gpus": {"nvidia.com/gpu": 1}}}}})
	change.deny == set() with input as gpus
	fixture.ids(change.warn) == {"change.gpus-added"} with input as gpus
}

test_a_missing_limit_denies if {
	"change.limits" in fixture.ids(change.deny) with input as fixture.good with data.limits.change.parameters as "12"
	"change.limits" in fixture.ids(change.deny) with input as fixture.good with data.limits.change.step.cpu.max as "4"
	"change.limits" in fixture.ids(change.deny) with input as fixture.good with data.limits as {}
}
