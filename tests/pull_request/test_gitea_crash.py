"""Processes that are killed, or work at once, against a real Gitea: one pull request, and nothing said twice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pull_request.gitea_host import Town
from tests.pull_request.hosting import BRANCH, Hosted
from tests.pull_request.test_crash import kill, said
from tuner.pull_request.protocol import PullRequestState

pytestmark = pytest.mark.real
_PROPOSER = """
import os, sys, time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tests.pull_request.conftest import proposal
from tuner.pull_request.hosted import hosted_forge
from tuner.pull_request.proposal import propose
from tuner.repository.repository import Repository

address, folder, campaign, batch, hang = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5]

def stop(where):
    if where == hang:
        print("here", flush=True)
        time.sleep(600)

@contextmanager
def around(effect):
    stop(f"before {effect.kind}")
    yield
    stop(f"after {effect.kind}")

hosted = hosted_forge("gitea", address, lambda: os.environ["TUNER_FORGE_TOKEN"])
with Repository.clone(address, folder, access=hosted.access) as repository:
    print("started", flush=True)
    wanted = replace(proposal(repository, campaign=campaign, batch=batch), labels=("tuner",), reviewers=("bob",))
    result = propose(repository, hosted.forge, wanted, around=around)
    print(result.outcome, flush=True)
"""


@pytest.fixture
def gitea(town: Town, tmp_path: Path) -> Hosted:
    return town.host(tmp_path)


def start(gitea: Hosted, town: Town, folder: Path, campaign: str, batch: str, hang: str) -> subprocess.Popen[str]:
    root = str(Path(__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-c", _PROPOSER, gitea.repository.address, str(folder), campaign, batch, hang],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": root, "TUNER_FORGE_TOKEN": town.bot.token},
        start_new_session=True,
    )


def one_good_pull_request(gitea: Hosted) -> None:
    (pull,) = [pull for pull in gitea.forge.list() if pull.state is PullRequestState.OPEN]
    gitea.repository.fetch()
    assert pull.state is PullRequestState.OPEN
    assert pull.head == gitea.repository.branch(BRANCH)
    assert pull.labels == ("tuner",)
    assert pull.reviewers == ("bob",)
    assert list(gitea.forge.comments(pull.number)) == []


@pytest.mark.parametrize(
    "where", ["before push", "after push", "before open", "after open", "before present", "after present"]
)
def test_killed_at_each_effect_the_next_run_ends_with_one_pull_request(
    gitea: Hosted, town: Town, tmp_path: Path, where: str
) -> None:
    process = start(gitea, town, tmp_path / "first", "c1", "8", where)
    assert said(process) == "started"
    assert said(process) == "here"
    kill(process)
    again = start(gitea, town, tmp_path / "second", "c1", "8", "never")
    output, _ = again.communicate(timeout=120)
    assert output.split()[-1] == ("unchanged" if where.endswith("present") or where == "after open" else "opened")
    one_good_pull_request(gitea)


def test_proposers_of_one_change_at_once_make_one_pull_request(gitea: Hosted, town: Town, tmp_path: Path) -> None:
    processes = [start(gitea, town, tmp_path / f"p{count}", "c1", "8", "never") for count in range(3)]
    outcomes = []
    for process in processes:
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0
        outcomes.append(output.split()[-1])
    assert set(outcomes) <= {"opened", "updated", "unchanged"}
    assert "opened" in outcomes
    one_good_pull_request(gitea)
    last = start(gitea, town, tmp_path / "last", "c1", "8", "never")
    assert last.communicate(timeout=300)[0].split()[-1] == "unchanged", "what was opened twice is nobody's decline"
