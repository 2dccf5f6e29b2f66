package tuner.reason_test

import data.tuner.reason

test_a_denial_says_why_and_what_would_help if {
	reason.denial("a.b", "c.d", "too slow", "be faster") == {
		"id": "a.b",
		"severity": "deny",
		"path": "c.d",
		"reason": "too slow",
		"remedy": "be faster",
		"msg": "too slow: be faster",
	}
}

test_a_warning_asks_for_nothing if {
	reason.warning("a.b", "c.d", "slow") == {
		"id": "a.b",
		"severity": "warn",
		"path": "c.d",
		"reason": "slow",
		"msg": "slow",
	}
}
