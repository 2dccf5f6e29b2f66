package tuner.rollout_test

import data.tuner.fixture_test as fixture
import data.tuner.rollout

test_good_may_be_rolled_out if {
	rollout.allow with input as fixture.rollout
	rollout.deny == set() with input as fixture.rollout
	rollout.warn == set() with input as fixture.rollout
	rollout.packages == {"analysis", "rollback", "slice", "steps"}
}

test_one_denial_is_enough if {
	bad := fixture.rollout_but({"steps": []})
	not rollout.allow with input as bad
	"steps.none" in fixture.ids(rollout.deny) with input as bad
}

test_nothing_known_is_not_rolled_out if {
	not rollout.allow with input as {}
	not rollout.allow with input as null
	not rollout.allow with input as fixture.rollout with data.limits as {}
}
