"""Another key takes over: what the old one signed stays verifiable, what it signs afterwards does not count."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tuner.ledger.head import sign_head
from tuner.ledger.signature import NAMESPACE, ServiceKey
from tuner.ledger.verify import verify

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_old_logs_stay_verifiable_and_the_old_key_signs_no_new_ones(tmp_path: Path, chain: bytes) -> None:
    before = ServiceKey.load(tmp_path)
    old, new = ServiceKey.rotate(tmp_path)
    assert old.public == before.public != new.public
    assert ServiceKey.load(tmp_path).public == new.public
    signers = old.retired_signer(NOW) + new.allowed_signer
    for key, at, ok in (
        (old, NOW - timedelta(days=1), True),
        (old, NOW + timedelta(seconds=2), False),
        (new, NOW - timedelta(days=1), True),
        (new, NOW + timedelta(days=400), True),
    ):
        signed = sign_head(chain, key, time=at)
        assert verify(chain, signed.head.encode(), signed.signature, signers).ok == ok


def test_the_old_key_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    ServiceKey.load(tmp_path)
    ServiceKey.rotate(tmp_path)
    ServiceKey.rotate(tmp_path)
    keys = sorted(tmp_path.glob("signing_key*"))
    assert len(keys) == 3
    assert all(key.stat().st_mode & 0o077 == 0 for key in keys)


@pytest.mark.real
def test_ssh_keygen_reads_the_lines_alike(tmp_path: Path, chain: bytes) -> None:
    program = shutil.which("ssh-keygen")
    assert program is not None
    ServiceKey.load(tmp_path)
    old, new = ServiceKey.rotate(tmp_path)
    (tmp_path / "signers").write_text(old.retired_signer(NOW) + new.allowed_signer)
    signed = sign_head(chain, old, time=NOW)
    (tmp_path / "sig").write_text(signed.signature)
    for moment, code in (("20260301120000Z", 0), ("20260303120000Z", 255)):
        command = [program, "-Y", "verify", "-f", "signers", "-I", "tuner", "-n", NAMESPACE, "-s", "sig"]
        done = subprocess.run(
            [*command, "-O", f"verify-time={moment}"],
            cwd=tmp_path,
            env={"PATH": os.defpath},
            input=signed.head.encode(),
            capture_output=True,
            timeout=60,
        )
        assert done.returncode == code, done.stderr
