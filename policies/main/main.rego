# METADATA
# title: The decision
# description: >
#   Allowed only where every expected package is there and none of them denies. The list of packages is data.packages;
#   a package that is missing, or whose deny is no set, is a denial with its own reason.
package tuner.main

default allow := false

# METADATA
# entrypoint: true
allow if {
	count(data.packages) > 0
	count(deny) == 0
}

deny contains denial if {
	some name in data.packages
	some denial in data.tuner.policy[name].deny
}

deny contains denial if {
	some name in data.packages
	not name in _present
	denial := {
		"id": "policy.missing",
		"severity": "deny",
		"msg": sprintf("the policy package %s is missing: add it, or take it out of packages in the data", [name]),
		"path": concat(".", ["packages", name]),
	}
}

deny contains denial if {
	not _some_package
	denial := {
		"id": "policy.missing",
		"severity": "deny",
		"msg": "no policy package is expected: list at least one under packages in the data",
		"path": "packages",
	}
}

warn contains warning if {
	some name in data.packages
	some warning in data.tuner.policy[name].warn
}

packages contains name if some name in data.packages

_present contains name if {
	some name in data.packages
	is_set(data.tuner.policy[name].deny)
}

_some_package if count(data.packages) > 0
