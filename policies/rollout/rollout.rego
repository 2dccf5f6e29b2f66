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

# What data.packages lists beside these is looked up too.
_known["analysis"] := data.tuner.policy.analysis

_known["rollback"] := data.tuner.policy.rollback

_known["slice"] := data.tuner.policy.slice

_known["steps"] := data.tuner.policy.steps
