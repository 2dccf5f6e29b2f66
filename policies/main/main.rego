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

deny contains denial if some denial in decision.deny("recommendation")

warn contains warning if some warning in decision.warn("recommendation")

packages contains name if some name in decision.packages("recommendation")
