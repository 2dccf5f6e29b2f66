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

deny contains denial if some denial in decision.deny("admission")

warn contains warning if some warning in decision.warn("admission")

packages contains name if some name in decision.packages("admission")
