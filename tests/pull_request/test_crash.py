"""Processes that are killed, and processes that do the same thing at once: one pull request, and nothing half done."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.pull_request.conftest import proposal
from tests.pull_request.hosting import BRANCH, MANIFEST, Hosted, plain_git
from tuner.pull_request.decision import Outcome
from tuner.pull_request.embedded import EmbeddedForge
from tuner.pull_request.proposal import propose
from tuner.pull_request.protocol import PullRequestState
from tuner.repository.repository import Repository

_PROPOSER = """
import sys, time
from contextlib import contextmanager
from pathlib import Path
from tests.pull_request.conftest import proposal
from tuner.pull_request.embedded import EmbeddedForge
from tuner.pull_request.proposal import propose
from tuner.repository.repository import Repository

folder, campaign, batch, hang = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]

def stop(where):
    if where == hang:
        print("here", flush=True)
        time.sleep(600)

@contextmanager
def around(effect):
    stop(f"before {effect.kind}")
    yield
    stop(f"after {effect.kind}")

with Repository.open(folder) as repository:
    forge = EmbeddedForge(repository)
    print("started", flush=True)
    result = propose(repository, forge, proposal(repository, campaign=campaign, batch=batch), around=around)
    print(result.outcome, flush=True)
"""
_MERGER = """
import sys
from pathlib import Path
from tuner.pull_request.embedded import EmbeddedForge
from tuner.repository.repository import Repository

forge = EmbeddedForge(Repository.open(Path(sys.argv[1])))
print("started", flush=True)
forge.merge(1)
print("merged", flush=True)
"""


def start(script: str, *arguments: str) -> subprocess.Popen[str]:
    root = str(Path(__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": root},
        start_new_session=True,
    )


def kill(process: subprocess.Popen[str]) -> None:
    """The process and all that is in its group, at once."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def one_good_pull_request(repository: Repository) -> None:
    forge = EmbeddedForge(repository)
    (pull,) = forge.list()
    assert pull.state is PullRequestState.OPEN
    assert pull.head == repository.branch(BRANCH)
    assert repository.changed_paths("main", pull.head)[-1] == MANIFEST
    assert plain_git(repository.folder, "fsck", "--strict", "--no-dangling") == ""
    assert not list(repository.folder.rglob("*.lock"))


@pytest.mark.parametrize("where", ["before push", "after push", "before open", "after open"])
def test_killed_at_each_effect_the_next_run_ends_with_one_pull_request(bare: Hosted, where: str) -> None:
    process = start(_PROPOSER, str(bare.repository.folder), "c1", "8", where)
    assert said(process) == "started"
    assert said(process) == "here"
    kill(process)
    result = propose(bare.repository, EmbeddedForge(bare.repository), proposal(bare.repository))
    assert result.outcome is (Outcome.UNCHANGED if where == "after open" else Outcome.OPENED)
    one_good_pull_request(bare.repository)


def test_killed_at_random_instants_the_last_run_ends_with_one_pull_request(bare: Hosted) -> None:
    chance = random.Random(7)
    for round_ in range(6):
        process = start(_PROPOSER, str(bare.repository.folder), f"c{round_}", "8", "never")
        assert said(process) == "started"
        time.sleep(chance.uniform(0, 0.25))
        kill(process)
    propose(bare.repository, EmbeddedForge(bare.repository), proposal(bare.repository, campaign="last"))
    one_good_pull_request(bare.repository)


@pytest.mark.parametrize("batches", [("8", "8", "8"), ("8", "16", "32")], ids=["same", "different"])
def test_proposers_at_once_make_one_pull_request(bare: Hosted, batches: tuple[str, ...]) -> None:
    processes = [start(_PROPOSER, str(bare.repository.folder), "c1", batch, "never") for batch in batches]
    outcomes = []
    for process in processes:
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        outcomes.append(output.split()[-1])
    assert set(outcomes) <= {"opened", "updated", "unchanged"}
    assert "opened" in outcomes
    one_good_pull_request(bare.repository)


def test_a_merge_that_is_killed_happened_wholly_or_not_at_all(bare: Hosted) -> None:
    chance = random.Random(11)
    propose(bare.repository, EmbeddedForge(bare.repository), proposal(bare.repository))
    before = bare.repository.branch("main")
    for _ in range(5):
        process = start(_MERGER, str(bare.repository.folder))
        assert said(process) == "started"
        time.sleep(chance.uniform(0, 0.15))
        kill(process)
        (pull,) = EmbeddedForge(bare.repository).list()
        assert (pull.state is PullRequestState.MERGED) == (bare.repository.branch("main") != before)
    merged = EmbeddedForge(bare.repository).merge(1)
    tip = bare.repository.commit_at("main")
    assert tip.parents == (before, merged.head)
    assert plain_git(bare.repository.folder, "fsck", "--strict", "--no-dangling") == ""


def test_mergers_at_once_make_one_merge_commit(bare: Hosted) -> None:
    propose(bare.repository, EmbeddedForge(bare.repository), proposal(bare.repository))
    before = bare.repository.branch("main")
    processes = [start(_MERGER, str(bare.repository.folder)) for _ in range(3)]
    for process in processes:
        output, _ = process.communicate(timeout=120)
        assert (process.returncode, output.split()[-1]) == (0, "merged")
    assert bare.repository.commit_at("main").parents[0] == before
