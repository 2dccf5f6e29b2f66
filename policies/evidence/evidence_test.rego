package tuner.policy.evidence_test

import data.tuner.fixture_test as fixture
import data.tuner.policy.evidence

test_good_has_no_denial if {
	evidence.deny == set() with input as fixture.good
}

test_each_minimum_denies if {
	every id, change in {
		"evidence.trials": {"trials": 4},
		"evidence.blocks": {"blocks": 3},
		"evidence.confidence": {"confidence": 0.89},
		"evidence.gain": {"ratio": {"low": 1}},
		"evidence.interval": {"ratio": {"value": 2}},
	} {
		fixture.ids(evidence.deny) == {id} with input as fixture.but(change)
	}
}

test_what_was_measured_is_what_is_proposed if {
	same := {"proposed": "sha256:a", "measured": ["sha256:a"]}
	evidence.deny == set() with input as fixture.but({"template": same})
	every measured in [["sha256:b"], ["sha256:a", "sha256:b"], ["", "sha256:a"], []] {
		other := {"proposed": "sha256:a", "measured": measured}
		fixture.ids(evidence.deny) == {"evidence.template"} with input as fixture.but({"template": other})
	}
}

test_the_words_say_how_much_is_needed if {
	some denial in evidence.deny with input as fixture.but({"trials": 4})
	denial.msg == "4 trials were completed, 5 are needed: raise budget.trials"
}

test_a_gain_may_be_asked_for if {
	fixture.ids(evidence.deny) == {"evidence.gain"} with input as fixture.good with data.limits.evidence.gain as 1.4
	evidence.deny == set() with input as fixture.good with data.limits.evidence.gain as 1.39
}

test_a_missing_limit_denies if {
	"evidence.limits" in fixture.ids(evidence.deny) with input as fixture.good with data.limits.evidence.blocks as "4"
	"evidence.limits" in fixture.ids(evidence.deny) with input as fixture.good with data.limits as {}
}
