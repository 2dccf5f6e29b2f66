# METADATA
# title: Hours
# description: >
#   When a campaign may begin: windows of weekdays (1 is Monday) and hours in UTC. null is at any time. What is denied
#   by the time alone is asked again later.
package tuner.policy.hours

import data.tuner.reason
import data.tuner.text

default _windows := false

_windows := data.limits.hours

deny contains reason.denial("hours.limits", "limits.hours", why, remedy) if {
	not _readable
	why := "the limit hours is no list of windows"
	remedy := "write windows such as {days: [1, 2, 3, 4, 5], from: 18, until: 24}, or null for any time, into limits.hours"
}

deny contains reason.denial("hours.closed", "time", why, remedy) if {
	is_array(_windows)
	not _open
	why := sprintf(
		"campaigns do not begin on weekday %d at %s h UTC",
		[input.time.weekday, text.number(input.time.hour)],
	)
	remedy := "wait for a window of limits.hours, it is tried again by itself"
}

default _listed := []

_listed := _windows if is_array(_windows)

_open if {
	some window in _listed
	input.time.weekday in window.days
	input.time.hour >= window.from
	input.time.hour < window.until
}

_readable if _windows == null

_readable if {
	is_array(_windows)
	every window in _listed {
		is_array(window.days)
		is_number(window.from)
		is_number(window.until)
	}
}
