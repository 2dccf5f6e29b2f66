"""Whatever a campaign commits is signed with the service's key."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tuner.campaign.observer import Silent
from tuner.cli.wiring import Settings, make_parts
from tuner.pull_request.embedded import EmbeddedForge
from tuner.repository.repository import Repository


@pytest.mark.real
def test_the_repository_of_a_campaign_signs_its_commits(tmp_path: Path) -> None:
    folder = tmp_path / "r.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(folder)], check=True)
    parts = make_parts(Repository.open(folder), Settings(tmp_path / "state"), Silent())
    sha = parts.repository.commit(
        parent=None, changes={"a": b"b\n"}, message="Set batch", date=datetime(2025, 1, 1, tzinfo=UTC)
    )
    assert isinstance(parts.forge, EmbeddedForge)
    (tmp_path / "allowed").write_text(parts.key.allowed_committer)
    options = ["-c", "gpg.format=ssh", "-c", f"gpg.ssh.allowedSignersFile={tmp_path / 'allowed'}"]
    done = subprocess.run(
        ["git", "-C", str(folder), *options, "verify-commit", sha],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_GLOBAL": os.devnull},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
