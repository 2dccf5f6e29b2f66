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

deny contains denial if some denial in decision.deny("rollout")

warn contains warning if some warning in decision.warn("rollout")

packages contains name if some name in decision.packages("rollout")
