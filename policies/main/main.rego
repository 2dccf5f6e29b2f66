# METADATA
# title: The recommendation
# description: >
#   May this change be proposed? Allowed only where every package that data.packages.recommendation lists is there and
#   none of them denies.
package tuner.main

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

_made := decision.made("recommendation", _known)

# What data.packages lists beside these is looked up too.
_known["change"] := data.tuner.policy.change

_known["cost"] := data.tuner.policy.cost

_known["evidence"] := data.tuner.policy.evidence

_known["image"] := data.tuner.policy.image

_known["quota"] := data.tuner.policy.quota

_known["rollback"] := data.tuner.policy.rollback

_known["sla"] := data.tuner.policy.sla
