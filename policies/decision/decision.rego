# METADATA
# title: How a decision is put together
# description: >
#   A decision point asks the packages that data.packages lists for it. A package that is missing, or whose deny is
#   no set, is a denial with its own reason; so is a decision point without packages. A waiver turns a denial into a
#   warning that names it.
package tuner.decision

import data.tuner.reason
import data.tuner.waiver

deny(point) := {denial |
	some denial in _found(point)
	not waiver.covers(denial)
} | _missing(point)

warn(point) := {warning |
	some name in packages(point)
	some warning in data.tuner.policy[name].warn
} | {waiver.told(denial) | some denial in _found(point)}

packages(point) := {name | some name in data.packages[point]}

_found(point) := {denial |
	some name in packages(point)
	some denial in data.tuner.policy[name].deny
}

_missing(point) := {denial |
	some name in (packages(point) - _present(point))
	denial := reason.denial(
		"policy.missing",
		concat(".", ["packages", point, name]),
		sprintf("the policy package %s is missing", [name]),
		"add it, or take it out of packages in the data",
	)
} | _nothing(point)

_present(point) := {name |
	some name in packages(point)
	is_set(data.tuner.policy[name].deny)
}

_nothing(point) := {denial |
	count(packages(point)) == 0
	denial := reason.denial(
		"policy.missing",
		concat(".", ["packages", point]),
		sprintf("no policy package is expected for the %s", [point]),
		"list at least one under packages in the data",
	)
}
