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

# What data.packages lists beside these is looked up too. Of a package nothing but its say is asked for.
_known.accelerator.deny := data.tuner.policy.accelerator.deny

# regal ignore:unresolved-reference
_known.accelerator.warn := data.tuner.policy.accelerator.warn

_known.budget.deny := data.tuner.policy.budget.deny

# regal ignore:unresolved-reference
_known.budget.warn := data.tuner.policy.budget.warn

_known.hours.deny := data.tuner.policy.hours.deny

# regal ignore:unresolved-reference
_known.hours.warn := data.tuner.policy.hours.warn

_known.image.deny := data.tuner.policy.image.deny

_known.image.warn := data.tuner.policy.image.warn

_known.team.deny := data.tuner.policy.team.deny

# regal ignore:unresolved-reference
_known.team.warn := data.tuner.policy.team.warn
