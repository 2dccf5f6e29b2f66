"""A forge under test, with a repository that a person and tuner both push to."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from tuner.pull_request.proposal import branch_name
from tuner.pull_request.protocol import Forge, PullRequest
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


@dataclass
class Changes:
    """When each thing of a fake forge last became another one: since the fake was last asked for it."""

    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _last: dict[int, tuple[str, datetime]] = field(default_factory=dict)

    def at(self, key: int, state: object) -> datetime:
        before = self._last.get(key)
        if before is None or before[0] != repr(state):
            before = self._last[key] = (repr(state), self.clock())
        return before[1]


class Person(Protocol):
    """What somebody with write access does on the forge's own pages."""

    def merge(self, number: int) -> PullRequest: ...

    def decline(self, number: int, reason: str) -> PullRequest: ...

    def say(self, number: int, text: str) -> None: ...


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
    person: Person
    writer: str
    """Name of somebody who may write, as the forge shows authors."""
    reader: str | None
    """Name of somebody who may only read; None where a forge has nobody of the kind."""
    reviewer: str
    """Somebody who can be asked for a review."""

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


def first_commit(repository: Repository) -> str:
    """A commit on ``main`` of an empty repository."""
    files = {path: text.encode() for path, text in FILES.items()}
    sha = repository.commit(parent=None, changes=files, message="first", date=Clock()(), author=ADA, committer=ADA)
    repository.push("main", sha, expected=None)
    return sha


def new_bare(folder: Path) -> Path:
    """A bare repository with one commit on ``main``."""
    folder.mkdir(parents=True)
    plain_git(folder, "init", "-q", "--bare", "-b", "main")
    first_commit(Repository.open(folder))
    return folder
