# METADATA
# title: Team
# description: >
#   Whose spec it is: the label team. Where limits.teams is a mapping, only the teams in it may run campaigns; null lets
#   everybody.
package tuner.policy.team

import data.tuner.reason

default _teams := false

_teams := data.limits.teams

deny contains reason.denial("team.limits", "limits.teams", why, remedy) if {
	not type_name(_teams) in {"object", "null"}
	why := "the limit teams is missing"
	remedy := "write a mapping of teams, or null for everybody, into limits.teams"
}

deny contains reason.denial("team.missing", "team", why, remedy) if {
	is_object(_teams)
	input.team == ""
	why := "the spec names no team"
	remedy := "add metadata.labels.team to the spec"
}

deny contains reason.denial("team.unlisted", "team", why, remedy) if {
	is_object(_teams)
	input.team != ""
	not input.team in object.keys(_teams)
	why := sprintf("the team %s may not run campaigns", [input.team])
	remedy := sprintf("add limits.teams.%s to the policies' data", [input.team])
}
