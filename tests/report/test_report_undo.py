"""The command under "How to undo" undoes the change, however it was merged."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tuner.report.command import undo_commands
from tuner.report.model import ReportInput

Build = Callable[..., ReportInput]
MERGES = {
    "merge": [["merge", "--no-ff", "-m", "Merge it\n\nTuner-Campaign: text-orientation-3f2a9c1b", "tuner/change"]],
    "squash": [
        ["merge", "--squash", "tuner/change"],
        ["commit", "-m", "tune\n\nTuner-Campaign: text-orientation-3f2a9c1b"],
    ],
    "rebase": [["rebase", "main", "tuner/change"], ["switch", "main"], ["merge", "--ff-only", "tuner/change"]],
}


@pytest.fixture
def git(tmp_path: Path) -> Callable[..., str]:
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.com",
        "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.com",
    }  # fmt: skip

    def run(*arguments: str, shell: str | None = None) -> str:
        argv = ["sh", "-ec", shell] if shell is not None else ["git", *arguments]
        done = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        return done.stdout

    run("init", "-q", "-b", "main")
    return run


@pytest.mark.real
@pytest.mark.parametrize("how", MERGES)
def test_it_restores_the_manifest(build: Build, git: Callable[..., str], tmp_path: Path, how: str) -> None:
    manifest = tmp_path / "deployment.yaml"

    def commit(text: str, message: str, file: Path = manifest) -> None:
        file.write_text(text)
        git("add", ".")
        git("commit", "-q", "-m", message)

    commit("count: 1\n", "Serve")
    git("switch", "-q", "-c", "tuner/change")
    commit("count: 2\n", "tune\n\nTuner-Campaign: text-orientation-3f2a9c1b")
    git("switch", "-q", "main")
    commit("x\n", "Something else before the merge", tmp_path / "other")
    for step in MERGES[how]:
        git(*step)
    commit("y\n", "Something else after it", tmp_path / "other")
    assert manifest.read_text() == "count: 2\n"

    git(shell=undo_commands(build()))

    assert manifest.read_text() == "count: 1\n"
    assert (tmp_path / "other").read_text() == "y\n"
    assert git("status", "--porcelain") == ""


def test_a_hostile_branch_stays_one_word(build: Build) -> None:
    origin = build().origin.model_copy(update={"base": "main; touch $(x) 'y'\nz"})
    first, *rest = undo_commands(build(origin=origin)).splitlines()
    assert len(rest) == 1
    spoken = subprocess.run(
        ["sh", "-c", f"git() {{ printf '%s\\n' \"$@\"; }}\n{first}"], capture_output=True, text=True
    )
    assert spoken.stdout.splitlines() == ["switch", "main; touch $(x) 'y' z"]
