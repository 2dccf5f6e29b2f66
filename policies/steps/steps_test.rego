package tuner.policy.steps_test

import data.tuner.fixture_test as fixture
import data.tuner.policy.steps

_by(weights) := fixture.rollout_but({"steps": [step |
	some weight in weights
	step := {"weight": weight, "pause": 300, "analyses": []}
]})

_first(pause, analyses) := fixture.rollout_but({"steps": [
	{"weight": 20, "pause": pause, "analyses": analyses},
	{"weight": 60, "pause": 300, "analyses": []},
]})

test_good_has_no_denial if {
	steps.deny == set() with input as fixture.rollout
	steps.deny == set() with input as _by([25, 75])
}

test_each_limit_denies if {
	every id, weights in {
		"steps.none": [],
		"steps.first": [26, 60],
		"steps.increase": [10, 61],
		"steps.backwards": [25, 60, 60],
	} {
		fixture.ids(steps.deny) == {id} with input as _by(weights)
	}
}

test_what_comes_after_the_last_step_is_a_step if {
	some denial in steps.deny with input as _by([25, 49])
	denial.reason == "a step goes from 49 % to 100 % of the traffic"
	denial.path == "steps.2"
}

test_a_step_needs_time_or_an_analysis_or_a_person if {
	fixture.ids(steps.deny) == {"steps.pause"} with input as _first(59, [])
	steps.deny == set() with input as _first(0, ["latency"])
	steps.deny == set() with input as _first(null, [])
}

test_a_missing_limit_denies if {
	"steps.limits" in fixture.ids(steps.deny) with input as fixture.rollout with data.limits.steps.pause as "60"
	"steps.limits" in fixture.ids(steps.deny) with input as fixture.rollout with data.limits as {}
}
