"""Small repositories for tests."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tuner.repository.repository import Repository

__all__ = ["make_repository"]


@contextmanager
def make_repository(root: Path, files: Mapping[str, str]) -> Iterator[Repository]:
    """A repository whose branch main has these files, and its clone with a remote to push to."""
    origin = root / "origin"
    origin.mkdir(parents=True)
    for name, text in files.items():
        path = origin / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(root),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.com",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example.com",
    }
    for command in (
        ["init", "-q", "-b", "main"],
        ["add", "-A"],
        ["commit", "-q", "--allow-empty", "-m", "files"],
        ["config", "receive.denyCurrentBranch", "ignore"],
    ):
        subprocess.run(["git", *command], cwd=origin, env=environment, check=True, capture_output=True, timeout=60)
    with Repository.clone(str(origin), root / "clone", local=True) as repository:
        yield repository
