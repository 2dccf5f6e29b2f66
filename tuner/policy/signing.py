"""Signed bundles: OPA loads only what carries a signature by the key that it was told of."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tuner.errors import PermanentError, UserError
from tuner.policy.bundle import PolicyBundle

__all__ = ["ALGORITHM", "KEY_ID", "new_key", "public_key", "signed_archive"]

ALGORITHM = "ES256"
KEY_ID = "tuner"
"""The name of the verification key in OPA's configuration."""
_PEM, _PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8


def new_key() -> bytes:
    """A private key (ECDSA on P-256) in PEM."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(_PEM, _PKCS8, serialization.NoEncryption())


def public_key(private: bytes) -> str:
    """The public key of a private one, in PEM. UserError where it is no such key, or needs a passphrase."""
    try:
        key = serialization.load_pem_private_key(private, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UserError.of("the signing key is no private key in PEM without a passphrase", _MAKE) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise UserError.of("the signing key is no ECDSA key on the curve P-256", _MAKE)
    return key.public_key().public_bytes(_PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


_MAKE = "make one with `openssl ecparam -name prime256v1 -genkey -noout -out key.pem`"


def signed_archive(program: Path, bundle: PolicyBundle, private: bytes) -> bytes:
    """The bundle as ``.tar.gz``, signed by ``opa sign``. UserError for a wrong key, PermanentError where OPA fails.

    The program hashes data in a way of its own, so that it and no code of ours has to sign.
    """
    public_key(private)
    with tempfile.TemporaryDirectory(prefix="tuner-sign-") as scratch:
        folder, key = Path(scratch) / "bundle", Path(scratch) / "key.pem"
        folder.mkdir()
        bundle.write(folder)
        key.touch(mode=0o600)
        key.write_bytes(private)
        command = [str(program), "sign", "--signing-alg", ALGORITHM, "--signing-key", str(key)]
        command += ["--bundle", ".", "--output-file-path", "."]  # names in the signature are as given
        environment = {"HOME": scratch, "PATH": "/usr/bin:/bin"}
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=60, check=False, cwd=folder
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PermanentError(f"OPA cannot sign the policies: {error}") from error
        if done.returncode != 0:
            reason = (done.stderr or done.stdout).strip()[-1000:]
            raise PermanentError(f"OPA cannot sign the policies: {reason}")
        return _packed(folder)


def _packed(folder: Path) -> bytes:
    """The folder's files by their plain names: the signature is about names without ``./``."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                entry = tarfile.TarInfo(file.relative_to(folder).as_posix())
                raw = file.read_bytes()
                entry.size = len(raw)
                archive.addfile(entry, io.BytesIO(raw))
    return target.getvalue()
