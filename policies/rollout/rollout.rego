# METADATA
# title: The roll-out
# description: >
#   May the merged change go to production by these steps?
#   Allowed only where every package that data.packages.rollout lists is there and none denies.
package tuner.rollout

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

_made := decision.made("rollout", _known)

# What data.packages lists beside these is looked up too. Of a package nothing but its say is asked for.
_known.analysis.deny := data.tuner.policy.analysis.deny

# regal ignore:unresolved-reference
_known.analysis.warn := data.tuner.policy.analysis.warn

_known.rollback.deny := data.tuner.policy.rollback.deny

_known.rollback.warn := data.tuner.policy.rollback.warn

_known.slice.deny := data.tuner.policy.slice.deny

# regal ignore:unresolved-reference
_known.slice.warn := data.tuner.policy.slice.warn

_known.steps.deny := data.tuner.policy.steps.deny

# regal ignore:unresolved-reference
_known.steps.warn := data.tuner.policy.steps.warn
