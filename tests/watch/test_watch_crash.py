"""A service that is killed at random instants while its campaign runs leaves what one that was not killed leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.crash import at_random
from testbed.gitea import gitea_server
from tests.pull_request.gitea_host import Town

pytestmark = [pytest.mark.real, pytest.mark.campaign, pytest.mark.timeout(900)]


def test_a_service_that_is_killed_at_random_instants_opens_one_pull_request(tmp_path: Path) -> None:
    with gitea_server() as gitea:
        run = at_random(Town.on(gitea), tmp_path / "place", "test", most=4)
    assert run["violations"] == []
    assert run["kills"] >= 3
