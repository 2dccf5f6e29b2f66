"""SSH signatures (SSHSIG, OpenSSH's PROTOCOL.sshsig) that stock ``ssh-keygen -Y verify`` accepts, and the keys."""

from __future__ import annotations

import base64
import hashlib
import os
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import sshsig
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from platformdirs import user_config_path

from tuner.errors import PermanentError

__all__ = ["COMMITS", "NAMESPACE", "ServiceKey", "check_signature", "fingerprint"]

NAMESPACE = "tuner-audit@v1"
COMMITS = "git"
"""The namespace in which Git signs and verifies commits."""
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_WIDTHS = (70, 76)  # ssh-keygen wraps at 70, PROTOCOL.sshsig recommends 76


def _string(raw: bytes) -> bytes:
    """A string as SSH frames it (RFC 4251, section 5)."""
    return struct.pack(">I", len(raw)) + raw


def _armor(blob: bytes, width: int) -> str:
    text = base64.b64encode(blob).decode()
    lines = [text[start : start + width] for start in range(0, len(text), width)]
    return "\n".join([_BEGIN, *lines, _END, ""])


def fingerprint(public_key: str) -> str:
    """``SHA256:…`` of a public key in OpenSSH's one-line form, as ``ssh-keygen -l`` shows it."""
    raw = base64.b64decode(public_key.split()[1])
    return f"SHA256:{base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip('=')}"


@dataclass(frozen=True, slots=True)
class ServiceKey:
    """The Ed25519 key that the service signs with; ``identity`` is its principal in the allowed-signers file."""

    private: Ed25519PrivateKey
    identity: str = "tuner"

    @classmethod
    def load(cls, folder: Path | None = None, identity: str = "tuner") -> Self:
        """The key ``signing_key`` of a folder (by default the user's configuration of tuner), made on first use.

        PermanentError where it cannot be read, is no plain Ed25519 key, or others may read it.
        """
        path = (folder or user_config_path("tuner")) / "signing_key"
        try:
            if not path.exists():
                _make(path)
            raw = path.read_bytes()
            shared = path.stat().st_mode & 0o077
        except OSError as error:
            raise PermanentError(f"the signing key {path} cannot be used: {error.strerror}") from error
        if shared:
            raise PermanentError(f"others may read the signing key {path}: run `chmod 600 {path}`")
        try:
            private = serialization.load_ssh_private_key(raw, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise PermanentError(f"{path} is not an OpenSSH private key without a passphrase") from error
        if not isinstance(private, Ed25519PrivateKey):
            raise PermanentError(f"{path} is not an Ed25519 key: make one with `ssh-keygen -t ed25519 -N '' -f {path}`")
        return cls(private, identity)

    @classmethod
    def rotate(cls, folder: Path | None = None, identity: str = "tuner") -> tuple[Self, Self]:
        """Put a new key in the place of the one that is used: the old one, kept beside it, and the new one.

        PermanentError as ``load``.
        """
        path = (folder or user_config_path("tuner")) / "signing_key"
        old = cls.load(folder, identity)
        aside = path.with_name(f"signing_key.{hashlib.sha256(old.public.encode()).hexdigest()[:12]}")
        try:
            path.rename(aside)
        except OSError as error:
            raise PermanentError(f"the signing key {path} cannot be put aside: {error.strerror}") from error
        return old, cls.load(folder, identity)

    def retired_signer(self, at: datetime) -> str:
        """The line of an allowed-signers file that trusts this key for what was signed before ``at``."""
        until = f"{at.astimezone(UTC):%Y%m%d%H%M%S}Z"
        return f'{self.identity} namespaces="{NAMESPACE}",valid-before="{until}" {self.public}\n'

    @property
    def public(self) -> str:
        """The public key on one line, as OpenSSH writes it, without a comment."""
        encoding, form = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        return self.private.public_key().public_bytes(encoding, form).decode()

    @property
    def allowed_signer(self) -> str:
        """The line of an allowed-signers file that trusts this key for audit logs and nothing else."""
        return f'{self.identity} namespaces="{NAMESPACE}" {self.public}\n'

    @property
    def allowed_committer(self) -> str:
        """The line of an allowed-signers file with which ``git verify-commit`` trusts this key for commits."""
        return f'{self.identity} namespaces="{COMMITS}" {self.public}\n'

    def sign_commit(self, raw: bytes) -> str:
        """The signature that a commit of these bytes carries."""
        return self.sign(raw, COMMITS)

    def sign(self, message: bytes, namespace: str = NAMESPACE) -> str:
        """The armored signature of a message."""
        scope = _string(namespace.encode()) + _string(b"") + _string(b"sha512")
        signed = self.private.sign(b"SSHSIG" + scope + _string(hashlib.sha512(message).digest()))
        public = base64.b64decode(self.public.split()[1])
        signature = _string(_string(b"ssh-ed25519") + _string(signed))
        return _armor(b"SSHSIG" + struct.pack(">I", 1) + _string(public) + scope + signature, _WIDTHS[0])


def _make(path: Path) -> None:
    """Write a new key under another name and link it, so that two first users end up with one whole key."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    raw = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    scratch = path.with_name(f".{path.name}-{os.getpid()}-{os.urandom(4).hex()}")
    handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(scratch)
        except FileExistsError:
            return
    finally:
        scratch.unlink()


def check_signature(message: bytes, armored: str, namespace: str = NAMESPACE) -> str:
    """The public key (OpenSSH's one-line form) whose valid signature of the message this is.

    Exactly one spelling of a signature is accepted, so that a flipped bit that means nothing is found as well.
    ValueError, with the reason, for everything else. Whether the key may be trusted is the caller's question.
    """
    public, scope = _fields(_dearmor(armored))
    if scope != namespace.encode():
        raise ValueError(f"the signature is for namespace {scope.decode(errors='replace')!r}, not {namespace!r}")
    try:
        key = sshsig.check_signature(message, armored, namespace)
    except (sshsig.InvalidSignature, ValueError, AssertionError) as error:
        raise ValueError("the signature does not fit the signed bytes") from error
    except NotImplementedError as error:
        raise ValueError(f"the signature is of a kind that is not supported: {error}") from error
    spelled = key.openssh_str()
    if base64.b64decode(spelled.split()[1]) != public:
        raise ValueError("the signature's public key is not spelled as OpenSSH spells it")
    return spelled


def _dearmor(armored: str) -> bytes:
    lines = armored.split("\n")
    try:
        blob = base64.b64decode("".join(lines[1:-2]), validate=True)
    except ValueError as error:
        raise ValueError("the signature is not an armored SSH signature") from error
    if not any(_armor(blob, width) == armored for width in _WIDTHS):
        raise ValueError("the signature is not an armored SSH signature")
    return blob


def _fields(blob: bytes) -> tuple[bytes, bytes]:
    """Public key and namespace of a signature blob that has every field and nothing else."""
    if blob[:10] != b"SSHSIG\x00\x00\x00\x01":
        raise ValueError("the signature has no SSHSIG version 1 header")
    public, namespace, reserved, algorithm, signature, *rest = _strings(blob[10:], 5)
    kind, _, *more = _strings(signature, 2)
    if reserved or any(rest) or any(more) or algorithm not in {b"sha256", b"sha512"}:
        raise ValueError("the signature has fields that SSHSIG version 1 does not know")
    if kind not in {b"ssh-ed25519", b"rsa-sha2-256", b"rsa-sha2-512"}:
        raise ValueError(f"signatures by {kind.decode(errors='replace')!r} are not supported: use an Ed25519 key")
    return public, namespace


def _strings(raw: bytes, count: int) -> list[bytes]:
    """``count`` framed strings and what is left behind them."""
    found = []
    for _ in range(count):
        size = int.from_bytes(raw[:4], "big")
        if len(raw) < 4 + size:
            raise ValueError("the signature is cut off")
        found.append(raw[4 : 4 + size])
        raw = raw[4 + size :]
    return [*found, raw]
