# METADATA
# title: How a decision is put together
# description: >
#   A decision point asks the packages that data.packages lists for it. A package that is missing, or whose deny is
#   no set, is a denial with its own reason; so is a decision point without packages. A waiver turns a denial into a
#   warning that names it.
package tuner.decision

import data.tuner.reason
import data.tuner.waiver

# All of it at once: a function that is called again is worked out again. What the point knows by name is not looked
# up by a name that is known only then, which takes an engine longer than all the rest.
made(point, known) := {"deny": (denied | missing), "warn": (warned | told), "packages": packages} if {
	packages := {name | some name in data.packages[point]}
	said := object.union(object.filter(known, packages), {name: policy |
		some name in (packages - object.keys(known))
		policy := data.tuner.policy[name]
	})
	found := {denial |
		some policy in said
		some denial in policy.deny
	}
	denied := {denial |
		some denial in found
		not waiver.covers(denial)
	}
	warned := {warning |
		some policy in said
		some warning in policy.warn
	}
	told := {waiver.told(denial) | some denial in found}
	present := {name |
		some name, policy in said
		is_set(policy.deny)
	}
	missing := {_missing(point, name) | some name in (packages - present)} | _nothing(point, packages)
}

_missing(point, name) := reason.denial(
	"policy.missing",
	concat(".", ["packages", point, name]),
	sprintf("the policy package %s is missing", [name]),
	"add it, or take it out of packages in the data",
)

_nothing(point, packages) := {denial |
	count(packages) == 0
	denial := reason.denial(
		"policy.missing",
		concat(".", ["packages", point]),
		sprintf("no policy package is expected for the %s", [point]),
		"list at least one under packages in the data",
	)
}
