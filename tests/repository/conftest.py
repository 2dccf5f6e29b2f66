"""Repositories made with plain git, so that what tuner reads was not written by tuner."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tuner.repository.repository import Repository

PERSON = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
    "GIT_AUTHOR_DATE": "1700000000 +0000",
    "GIT_COMMITTER_DATE": "1700000000 +0000",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


@dataclass(frozen=True)
class Plain:
    """A folder in which a person works with plain git."""

    folder: Path

    def git(self, *arguments: str, stdin: bytes | None = None) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.folder), *arguments],
            input=stdin,
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **PERSON},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode(errors="surrogateescape").rstrip("\n")

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            place = self.folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)

    def commit(self, files: dict[str, str], message: str = "change") -> str:
        self.write(files)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def open(self) -> Repository:
        return Repository.open(self.folder)


@pytest.fixture
def work(tmp_path: Path) -> Plain:
    """A work tree with one commit on ``main``."""
    folder = tmp_path / "work"
    folder.mkdir()
    plain = Plain(folder)
    plain.git("init", "-q", "-b", "main")
    plain.commit({"configs/demo/tuning.yaml": "kind: TuningSpec\n", "configs/demo/model/1/model.py": "x = 1\n"})
    return plain


@pytest.fixture
def bare(work: Plain, tmp_path: Path) -> Plain:
    """A bare repository with the same commit."""
    folder = tmp_path / "bare.git"
    work.git("clone", "-q", "--bare", str(work.folder), str(folder))
    return Plain(folder)
