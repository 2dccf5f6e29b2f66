package tuner.admission_test

import data.tuner.admission
import data.tuner.fixture_test as fixture

test_good_is_admitted if {
	admission.allow with input as fixture.start
	admission.deny == set() with input as fixture.start
	admission.warn == set() with input as fixture.start
	admission.packages == {"accelerator", "budget", "hours", "image", "team"}
}

test_one_denial_is_enough if {
	bad := fixture.start_but({"trials": 1001})
	not admission.allow with input as bad
	fixture.ids(admission.deny) == {"budget.trials"} with input as bad
}

test_nothing_known_is_not_admitted if {
	not admission.allow with input as {}
	not admission.allow with input as null
	not admission.allow with input as fixture.start with data.limits as {}
}
