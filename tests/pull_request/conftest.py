"""Forges to test, each with a repository that a person and tuner both push to."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tuner.pull_request.embedded import EmbeddedForge
from tuner.pull_request.proposal import Proposal, branch_name, change_digest
from tuner.pull_request.protocol import Forge
from tuner.repository.commit import Identity
from tuner.repository.repository import Repository

ADA = Identity(name="Ada", email="ada@example.com")
SPEC = "configs/demo/tuning.yaml"
MANIFEST = "configs/demo/deployment.yaml"
FILES = {SPEC: "kind: TuningSpec\n", MANIFEST: "replicas: 1\nbatch: 1\n\nimage: x\n\nport: 80\n"}
BRANCH = branch_name(SPEC)


@dataclass
class Clock:
    """A minute later at each look."""

    at: datetime = field(default_factory=lambda: datetime(2025, 1, 1, tzinfo=UTC))

    def __call__(self) -> datetime:
        self.at += timedelta(minutes=1)
        return self.at


def plain_git(folder: Path, *arguments: str) -> str:
    """Git as a person runs it, with nothing of tuner's in between."""
    names = ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), ("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL")
    person = {**dict.fromkeys(names[0], ADA.name), **dict.fromkeys(names[1], ADA.email)}
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_GLOBAL": os.devnull, **person}
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@dataclass(frozen=True)
class Hosted:
    """A forge under test. ``repository`` is tuner's way to push to what the forge hosts."""

    forge: Forge
    repository: Repository

    def commit(self, branch: str, files: dict[str, str], *, on: str | None = None, author: Identity = ADA) -> str:
        """A person's commit on a branch: on its tip, or on another commit."""
        self.repository.fetch()
        tip = self.repository.branch(branch)
        sha = self.repository.commit(
            parent=on or tip or self.repository.resolve("main"),
            changes={path: text.encode() for path, text in files.items()},
            message=f"change {', '.join(files)}",
            date=datetime(2025, 1, 1, tzinfo=UTC),
            author=author,
            committer=author,
        )
        self.repository.push(branch, sha, expected=tip)
        return sha

    def read(self, branch: str, path: str) -> str:
        self.repository.fetch()
        return self.repository.snapshot(branch).read(path).decode()


def new_bare(folder: Path) -> Path:
    """A bare repository with one commit on ``main``."""
    folder.mkdir(parents=True)
    plain_git(folder, "init", "-q", "--bare", "-b", "main")
    repository = Repository.open(folder)
    files = {path: text.encode() for path, text in FILES.items()}
    sha = repository.commit(parent=None, changes=files, message="first", date=Clock()(), author=ADA, committer=ADA)
    repository.push("main", sha, expected=None)
    return folder


def _embedded_bare(folder: Path) -> Hosted:
    repository = Repository.open(new_bare(folder / "bare.git"))
    return Hosted(EmbeddedForge(repository, now=Clock()), repository)


def _embedded_work_tree(folder: Path) -> Hosted:
    work = folder / "work"
    plain_git(folder, "clone", "-q", str(new_bare(folder / "origin.git")), str(work))
    plain_git(work, "switch", "-q", "--create", "mine")
    repository = Repository.open(work)
    return Hosted(EmbeddedForge(repository, now=Clock()), repository)


def _embedded_clone(folder: Path) -> Hosted:
    repository = Repository.clone(str(new_bare(folder / "origin.git")), folder / "clone.git", local=True)
    return Hosted(EmbeddedForge(repository, now=Clock()), repository)


HOSTS: dict[str, Callable[[Path], Hosted]] = {
    "embedded-bare": _embedded_bare,
    "embedded-work-tree": _embedded_work_tree,
    "embedded-clone": _embedded_clone,
}


@pytest.fixture(params=sorted(HOSTS))
def hosted(request: pytest.FixtureRequest, tmp_path: Path) -> Hosted:
    """Every implementation of ``Forge`` in turn; a new one is added to ``HOSTS``."""
    return HOSTS[request.param](tmp_path)


@pytest.fixture
def bare(tmp_path: Path) -> Hosted:
    """The embedded forge in a bare repository, where the implementation does not matter."""
    return _embedded_bare(tmp_path)


def proposal(repository: Repository, *, batch: int = 8, campaign: str = "c1", evidence: str = "log\n") -> Proposal:
    """A campaign's proposal: the batch size goes from 1 to something."""
    return Proposal(
        spec_path=SPEC,
        branch=BRANCH,
        base="main",
        parent=repository.resolve("main"),
        changes={MANIFEST: FILES[MANIFEST].replace("batch: 1", f"batch: {batch}").encode()},
        evidence={f"audit/demo/{campaign}.jsonl": evidence.encode()},
        title=f"demo: batch {batch}",
        body=f"Batch {batch} is cheaper.",
        campaign=campaign,
        digest=change_digest(SPEC, {"batch": 1}, {"batch": batch}),
        message=f"Set batch to {batch}",
        trailers={"Tuner-Audit-Head": "sha256:00"},
        date=datetime(2025, 1, 1, tzinfo=UTC),
    )
