package tuner.policy.analysis_test

import data.tuner.fixture_test as fixture
import data.tuner.policy.analysis

_steps(first, second) := {"steps": [
	{"weight": 20, "pause": 60, "analyses": first},
	{"weight": 60, "pause": 60, "analyses": second},
]}

test_good_has_no_denial if {
	analysis.deny == set() with input as fixture.rollout
	background := object.union(_steps([], []), {"analyses": ["latency"]})
	analysis.deny == set() with input as fixture.rollout_but(background)
}

test_something_has_to_look if {
	fixture.ids(analysis.deny) == {"analysis.missing"} with input as fixture.rollout_but(_steps([], []))
}

test_it_looks_from_the_first_step_on if {
	fixture.ids(analysis.deny) == {"analysis.late"} with input as fixture.rollout_but(_steps([], ["latency"]))
}

test_the_template_has_to_be_there if {
	some denial in analysis.deny with input as fixture.rollout_but(_steps(["errors"], []))
	denial.id == "analysis.unknown"
	denial.reason == "there is no analysis template errors"
}
