# METADATA
# title: The admission
# description: >
#   May this spec run at all? Asked before its first trial.
#   Allowed only where every package that data.packages.admission lists is there and none denies.
package tuner.admission

import data.tuner.decision

default allow := false

# METADATA
# entrypoint: true
allow if {
	count(packages) > 0
	count(deny) == 0
}

deny contains denial if some denial in _made.deny

warn contains warning if some warning in _made.warn

packages contains name if some name in _made.packages

_made := decision.made("admission", _known)

# What data.packages lists beside these is looked up too.
_known["accelerator"] := data.tuner.policy.accelerator

_known["budget"] := data.tuner.policy.budget

_known["hours"] := data.tuner.policy.hours

_known["image"] := data.tuner.policy.image

_known["team"] := data.tuner.policy.team
