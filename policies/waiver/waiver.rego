# METADATA
# title: Waivers
# description: >
#   A waiver is an exception in Git: it names one rule, one service, a reason, who approved it and its last day. It
#   counts up to that day and at most limits.waivers.days ahead. What is wrong with the policies themselves has none.
package tuner.waiver

import data.tuner.reason

default _limits := {}

_limits := data.limits.waivers

covers(denial) if count(_counting(denial)) > 0

# The warning that a waiver leaves in place of a denial; undefined where no waiver is about it.
told(denial) := reason.warning(denial.id, denial.path, why) if {
	some waiver in _counting(denial)
	why := sprintf(
		"waived until %s by %s (%s): %s",
		[waiver.expires, waiver.approver, waiver.reason, denial.msg],
	)
} else := reason.warning("waiver.expired", denial.path, why) if {
	some waiver in _about(denial)
	is_number(waiver.days)
	waiver.days < 0
	why := sprintf("the waiver of %s by %s expired on %s", [denial.id, waiver.approver, waiver.expires])
} else := reason.warning("waiver.void", denial.path, why) if {
	some waiver in _about(denial)
	why := sprintf(
		"the waiver of %s by %s does not count: %s is no day, or further ahead than limits.waivers.days allows",
		[denial.id, waiver.approver, waiver.expires],
	)
}

_counting(denial) := [waiver |
	some waiver in _about(denial)
	is_number(waiver.days)
	waiver.days >= 0
	is_number(_limits.days)
	waiver.days <= _limits.days
]

_about(denial) := [waiver |
	not startswith(denial.id, "policy.")
	some waiver in input.waivers
	waiver.rule == denial.id
	waiver.service == input.service
]
