"""Signatures that stock OpenSSH accepts, and stock signatures that tuner accepts."""

from __future__ import annotations

import shutil
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.errors import PermanentError
from tuner.ledger.signature import NAMESPACE, ServiceKey, check_signature, fingerprint

PRIVATE = Ed25519PrivateKey.generate()


def ssh_keygen(*arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    program = shutil.which("ssh-keygen")
    if program is None:
        pytest.skip("ssh-keygen is not installed")
    return subprocess.run([program, *map(str, arguments)], input=stdin, capture_output=True, timeout=60)


def test_the_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    first, second = ServiceKey.load(folder), ServiceKey.load(folder)
    assert first.public == second.public
    assert first.public.startswith("ssh-ed25519 AAAA")
    assert stat.S_IMODE((folder / "signing_key").stat().st_mode) == 0o600
    assert [file.name for file in folder.iterdir()] == ["signing_key"]


def test_many_first_users_end_up_with_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: ServiceKey.load(tmp_path / "shared").public, range(32)))
    assert len(set(keys)) == 1


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    ServiceKey.load(tmp_path)
    (tmp_path / "signing_key").chmod(0o644)
    with pytest.raises(PermanentError, match="chmod 600"):
        ServiceKey.load(tmp_path)


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "signing_key"
    file.touch(0o600)
    file.write_text("no key")
    with pytest.raises(PermanentError, match="not an OpenSSH private key"):
        ServiceKey.load(tmp_path)


@pytest.mark.real
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-t", "ed25519", "-N", "secret"], "without a passphrase"),
        (["-t", "ecdsa", "-N", ""], "not an Ed25519 key"),
    ],
)
def test_a_key_of_another_kind_is_refused(tmp_path: Path, options: list[str], message: str) -> None:
    assert ssh_keygen("-q", *options, "-f", tmp_path / "signing_key").returncode == 0
    with pytest.raises(PermanentError, match=message):
        ServiceKey.load(tmp_path)


@given(st.binary(max_size=2000))
def test_a_signature_fits_its_message_and_no_other(message: bytes) -> None:
    key = ServiceKey(PRIVATE)
    armored = key.sign(message)
    assert check_signature(message, armored) == key.public
    with pytest.raises(ValueError, match="does not fit"):
        check_signature(message + b"x", armored)


@settings(max_examples=200)
@given(st.text(max_size=300))
def test_no_text_makes_the_check_fail_otherwise(text: str) -> None:
    for armored in (text, f"-----BEGIN SSH SIGNATURE-----\n{text}\n-----END SSH SIGNATURE-----\n"):
        with pytest.raises(ValueError, match="signature"):
            check_signature(b"message", armored)


@pytest.mark.real
def test_stock_ssh_keygen_accepts_our_signature(tmp_path: Path) -> None:
    key = ServiceKey.load(tmp_path / "keys", identity="tuner@example")
    (tmp_path / "allowed").write_text(key.allowed_signer)
    (tmp_path / "message.sig").write_text(key.sign(b"message\n"))
    verify = ("-Y", "verify", "-f", tmp_path / "allowed", "-s", tmp_path / "message.sig", "-I")
    accepted = ssh_keygen(*verify, "tuner@example", "-n", NAMESPACE, stdin=b"message\n")
    assert accepted.returncode == 0, accepted.stderr
    assert fingerprint(key.public).encode() in accepted.stdout
    for identity, namespace, message in (
        ("someone", NAMESPACE, b"message\n"),
        ("tuner@example", "git", b"message\n"),
        ("tuner@example", NAMESPACE, b"another\n"),
    ):
        assert ssh_keygen(*verify, identity, "-n", namespace, stdin=message).returncode != 0


@pytest.mark.real
def test_stock_ssh_keygen_reads_our_key(tmp_path: Path) -> None:
    key = ServiceKey.load(tmp_path)
    read = ssh_keygen("-y", "-f", tmp_path / "signing_key")
    assert read.stdout.decode().split()[:2] == key.public.split()


@pytest.mark.real
@pytest.mark.parametrize("options", [["-t", "ed25519"], ["-t", "rsa", "-b", "2048"]])
def test_stock_signatures_are_accepted(tmp_path: Path, options: list[str]) -> None:
    file = tmp_path / "stock"
    assert ssh_keygen("-q", *options, "-N", "", "-C", "", "-f", file).returncode == 0
    armored = ssh_keygen("-Y", "sign", "-n", NAMESPACE, "-f", file, stdin=b"message\n").stdout.decode()
    assert check_signature(b"message\n", armored).split() == file.with_suffix(".pub").read_text().split()
    with pytest.raises(ValueError, match="does not fit"):
        check_signature(b"another\n", armored)


@pytest.mark.real
def test_a_stock_signature_of_an_unsupported_kind_says_so(tmp_path: Path) -> None:
    assert ssh_keygen("-q", "-t", "ecdsa", "-N", "", "-f", tmp_path / "stock").returncode == 0
    armored = ssh_keygen("-Y", "sign", "-n", NAMESPACE, "-f", tmp_path / "stock", stdin=b"message").stdout.decode()
    with pytest.raises(ValueError, match="'ecdsa-sha2-nistp256' are not supported"):
        check_signature(b"message", armored)


@pytest.mark.real
def test_both_sign_the_same_bytes(tmp_path: Path) -> None:
    """Ed25519 is deterministic, so that two right implementations write the same file."""
    key = ServiceKey.load(tmp_path)
    stock = ssh_keygen("-Y", "sign", "-n", NAMESPACE, "-f", tmp_path / "signing_key", stdin=b"message\n")
    assert stock.stdout.decode() == key.sign(b"message\n")
