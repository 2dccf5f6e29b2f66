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

# What data.packages lists beside these is looked up too. Of a package nothing but its say is asked for.
_known.change.deny := data.tuner.policy.change.deny

_known.change.warn := data.tuner.policy.change.warn

_known.cost.deny := data.tuner.policy.cost.deny

_known.cost.warn := data.tuner.policy.cost.warn

_known.evidence.deny := data.tuner.policy.evidence.deny

# regal ignore:unresolved-reference
_known.evidence.warn := data.tuner.policy.evidence.warn

_known.image.deny := data.tuner.policy.image.deny

_known.image.warn := data.tuner.policy.image.warn

_known.quota.deny := data.tuner.policy.quota.deny

_known.quota.warn := data.tuner.policy.quota.warn

_known.rollback.deny := data.tuner.policy.rollback.deny

_known.rollback.warn := data.tuner.policy.rollback.warn

_known.sla.deny := data.tuner.policy.sla.deny

_known.sla.warn := data.tuner.policy.sla.warn
