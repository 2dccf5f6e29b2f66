"""Attestations in the form that supply-chain tools read: an in-toto Statement in a signed DSSE envelope.

The file around the envelope is a Sigstore bundle (v0.3) that names a public key, so that ``cosign
verify-blob-attestation`` checks it offline. Sources: in-toto attestation framework v1, DSSE v1.0.2, SLSA provenance v1,
SLSA verification summary v1, sigstore/protobuf-specs.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from google.protobuf.json_format import MessageToDict
from in_toto_attestation.v1.statement import Statement  # type: ignore[import-untyped]
from securesystemslib.dsse import Envelope

from tuner.ledger.signature import ServiceKey
from tuner.ledger.signers import admitted_principals
from tuner.value import Value, canonical_json

__all__ = ["PROVENANCE", "SUMMARY", "Resource", "attest", "digest_set", "public_pem", "read_attestation"]

PROVENANCE = "https://slsa.dev/provenance/v1"
SUMMARY = "https://slsa.dev/verification_summary/v1"
_PAYLOAD = "application/vnd.in-toto+json"
_BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"


class Resource(Value):
    """Something that is named with its digest; ``digest`` maps an algorithm (``sha256``, ``gitBlob``) to hex."""

    name: str
    digest: dict[str, str]
    uri: str = ""

    def descriptor(self) -> dict[str, Any]:
        """As in-toto spells it."""
        return {"name": self.name, "digest": self.digest, **({"uri": self.uri} if self.uri else {})}


def digest_set(digest: str) -> dict[str, str]:
    """``sha256:…`` and ``git:…`` (a blob's name in Git) as a DigestSet. ValueError for another kind."""
    kind, _, value = digest.partition(":")
    if kind not in ("sha256", "git") or not value:
        raise ValueError(f"{digest!r} is no digest")
    return {"sha256": value} if kind == "sha256" else {"gitBlob": value}


def public_pem(key: ServiceKey) -> str:
    """The public key in PEM, as cosign and openssl take it."""
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.private.public_key().public_bytes(encoding, form).decode()


def attest(subjects: Iterable[Resource], predicate_type: str, predicate: Mapping[str, Any], key: ServiceKey) -> bytes:
    """The signed attestation, a function of its arguments. ValueError where a subject has no digest, or there is none.

    ``predicate`` is plain JSON without numbers: in-toto's own type keeps every number as a floating one.
    """
    statement = Statement([], predicate_type, dict(predicate))
    for subject in subjects:
        statement.pb.subject.add(name=subject.name, digest=subject.digest)
    statement.validate()
    payload = canonical_json(MessageToDict(statement.pb)).encode()
    public = key.private.public_key()
    signature = key.private.sign(Envelope(payload, _PAYLOAD, {}).pae())
    bundle = {
        "mediaType": _BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": _hint(public)}},
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": _PAYLOAD,
            # Without a keyid, which cosign would compare with one of its own making.
            "signatures": [{"sig": base64.b64encode(signature).decode()}],
        },
    }
    return canonical_json(bundle).encode() + b"\n"


def read_attestation(raw: bytes, allowed_signers: str, *, namespace: str, at: datetime) -> dict[str, Any]:
    """The statement of an attestation whose signer may sign. ValueError, with the reason, for everything else."""
    try:
        bundle = json.loads(raw)
        envelope, hint = bundle["dsseEnvelope"], str(bundle["verificationMaterial"]["publicKey"]["hint"])
        payload = base64.b64decode(envelope["payload"], validate=True)
        (signature,) = (base64.b64decode(each["sig"], validate=True) for each in envelope["signatures"])
        statement = json.loads(payload)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("the attestation cannot be read") from error
    if envelope.get("payloadType") != _PAYLOAD or not isinstance(statement, dict):
        raise ValueError("the attestation holds no in-toto statement")
    public = _signer(allowed_signers, hint)
    try:
        public.verify(signature, Envelope(payload, _PAYLOAD, {}).pae())
    except InvalidSignature as error:
        raise ValueError("the attestation's signature does not fit") from error
    encoding, form = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    line = public.public_bytes(encoding, form).decode()
    admitted_principals(allowed_signers, line, namespace=namespace, at=at)
    return statement


def _signer(allowed_signers: str, hint: str) -> Ed25519PublicKey:
    """The key of the allowed signers that the hint is about."""
    for line in allowed_signers.splitlines():
        words = line.split()
        if line.lstrip().startswith("#") or "ssh-ed25519" not in words[:-1]:
            continue
        spelled = f"ssh-ed25519 {words[words.index('ssh-ed25519') + 1]}"
        try:
            key = serialization.load_ssh_public_key(spelled.encode())
        except ValueError:
            continue
        if isinstance(key, Ed25519PublicKey) and _hint(key) == hint:
            return key
    raise ValueError("the attestation is signed by a key that is not among the allowed signers")


def _hint(public: Ed25519PublicKey) -> str:
    """What the bundle names the key by: base64 of the SHA-256 of its DER."""
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return base64.b64encode(hashlib.sha256(public.public_bytes(encoding, form)).digest()).decode()
