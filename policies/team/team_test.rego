package tuner.policy.team_test

import data.tuner.fixture_test as fixture
import data.tuner.policy.team

test_null_lets_everybody if {
	team.deny == set() with input as fixture.start
	team.deny == set() with input as fixture.start_but({"team": ""})
}

test_only_listed_teams_where_there_is_a_list if {
	teams := {"vision": {}}
	team.deny == set() with input as fixture.start with data.limits.teams as teams
	other := fixture.start_but({"team": "x"})
	fixture.ids(team.deny) == {"team.unlisted"} with input as other with data.limits.teams as teams
	nobody := fixture.start_but({"team": ""})
	fixture.ids(team.deny) == {"team.missing"} with input as nobody with data.limits.teams as teams
	fixture.ids(team.deny) == {"team.unlisted"} with input as fixture.start with data.limits.teams as {}
}

test_a_missing_limit_denies if {
	fixture.ids(team.deny) == {"team.limits"} with input as fixture.start with data.limits as {}
	fixture.ids(team.deny) == {"team.limits"} with input as fixture.start with data.limits.teams as ["vision"]
}
