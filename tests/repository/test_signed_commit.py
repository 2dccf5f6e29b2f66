"""Commits that are signed with an SSH key, as stock git verifies them."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tuner.ledger.signature import ServiceKey
from tuner.repository.commit import TUNER
from tuner.repository.repository import Repository

pytestmark = pytest.mark.real
DATE = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture
def key(tmp_path: Path) -> ServiceKey:
    return ServiceKey.load(tmp_path / "key")


@pytest.fixture(params=["sha1", "sha256"])
def repository(request: pytest.FixtureRequest, tmp_path: Path, key: ServiceKey) -> Repository:
    folder = tmp_path / "r.git"
    subprocess.run(
        ["git", "init", "-q", "--bare", "-b", "main", f"--object-format={request.param}", str(folder)], check=True
    )
    return replace(Repository.open(folder), signer=key.sign_commit)


def verified(repository: Repository, sha: str, signers: str, folder: Path) -> subprocess.CompletedProcess[str]:
    file = folder / "allowed"
    file.write_text(signers)
    options = ["-c", "gpg.format=ssh", "-c", f"gpg.ssh.allowedSignersFile={file}"]
    return subprocess.run(
        ["git", "-C", str(repository.folder), *options, "verify-commit", sha],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_GLOBAL": os.devnull},
        capture_output=True,
        text=True,
    )


def made(repository: Repository, message: str = "Set batch\n\nTuner-Campaign: c1\n") -> str:
    return repository.commit(parent=None, changes={"a": b"b\n"}, message=message, date=DATE)


def test_stock_git_verifies_them_and_fsck_has_nothing_to_say(
    repository: Repository, key: ServiceKey, tmp_path: Path
) -> None:
    sha = made(repository)
    repository.push("main", sha, expected=None)
    done = verified(repository, sha, key.allowed_committer, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Good" in done.stderr
    checked = subprocess.run(["git", "-C", str(repository.folder), "fsck", "--strict", "--no-dangling"], check=True)
    assert checked.returncode == 0


def test_another_key_and_a_key_for_audit_logs_alone_are_not_trusted(
    repository: Repository, key: ServiceKey, tmp_path: Path
) -> None:
    sha = made(repository)
    other = ServiceKey.load(tmp_path / "other")
    assert verified(repository, sha, other.allowed_committer, tmp_path).returncode != 0
    assert verified(repository, sha, key.allowed_signer, tmp_path).returncode != 0


def test_a_signed_commit_is_a_function_of_what_it_says(repository: Repository) -> None:
    assert made(repository) == made(repository) != made(replace(repository, signer=None))
    read = repository.commit_at(made(repository))
    assert read.trailers == {"Tuner-Campaign": "c1"}
    assert (read.committer, read.date) == (TUNER, DATE)
    assert made(repository, "ünïcode ✓\n") != made(repository)
