package tuner.policy.hours_test

import data.tuner.fixture_test as fixture
import data.tuner.policy.hours

_nights := [{"days": [1, 2], "from": 18, "until": 24}, {"days": [7], "from": 0, "until": 24}]

_at(weekday, hour) := fixture.start_but({"time": {"weekday": weekday, "hour": hour}})

test_null_is_any_time if {
	hours.deny == set() with input as fixture.start
}

test_a_window_has_a_begin_and_an_end if {
	every moment in [[1, 18], [2, 23.99], [7, 0]] {
		hours.deny == set() with input as _at(moment[0], moment[1]) with data.limits.hours as _nights
	}
	every moment in [[1, 17.99], [3, 20], [6, 0]] {
		fixture.ids(hours.deny) == {"hours.closed"} with input as _at(moment[0], moment[1]) with data.limits.hours as _nights
	}
}

test_the_words_say_when_it_was if {
	some denial in hours.deny with input as _at(3, 20.5) with data.limits.hours as _nights
	denial.reason == "campaigns do not begin on weekday 3 at 20.5 h UTC"
	denial.path == "time"
}

test_no_window_is_never if {
	fixture.ids(hours.deny) == {"hours.closed"} with input as fixture.start with data.limits.hours as []
}

test_a_missing_limit_denies if {
	"hours.limits" in fixture.ids(hours.deny) with input as fixture.start with data.limits as {}
	"hours.limits" in fixture.ids(hours.deny) with input as fixture.start with data.limits.hours as [{"days": 1}]
	"hours.limits" in fixture.ids(hours.deny) with input as fixture.start with data.limits.hours as "always"
}
