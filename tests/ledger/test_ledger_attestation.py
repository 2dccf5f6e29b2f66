"""Attestations: in-toto Statements that cosign verifies offline, and that nobody else can have signed."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from testbed.toolbox import Toolbox
from tuner.ledger.attestation import PROVENANCE, SUMMARY, Resource, attest, digest_set, public_pem, read_attestation
from tuner.ledger.signature import NAMESPACE, ServiceKey
from tuner.value import digest_of

MANIFEST = b"kind: Deployment\n"
NOW = datetime(2026, 3, 2, tzinfo=UTC)
PREDICATE = {"buildDefinition": {"buildType": "urn:x", "externalParameters": {"spec": {"path": "a"}}}}


def subject(raw: bytes = MANIFEST) -> Resource:
    return Resource(name="deployment.yaml", digest=digest_set(digest_of(raw)))


@pytest.fixture
def attestation(key: ServiceKey) -> bytes:
    return attest([subject()], PROVENANCE, PREDICATE, key)


def read(raw: bytes, signers: str) -> dict[str, Any]:
    return read_attestation(raw, signers, namespace=NAMESPACE, at=NOW)


def test_it_is_a_statement_about_the_subject(attestation: bytes, key: ServiceKey) -> None:
    assert read(attestation, f"# keys\n{key.allowed_signer}") == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "deployment.yaml", "digest": digest_set(digest_of(MANIFEST))}],
        "predicateType": PROVENANCE,
        "predicate": PREDICATE,
    }


def test_the_same_arguments_give_the_same_bytes(attestation: bytes, key: ServiceKey) -> None:
    assert attest([subject()], PROVENANCE, PREDICATE, key) == attestation


def test_no_subject_is_no_attestation(key: ServiceKey) -> None:
    with pytest.raises(ValueError, match="subject"):
        attest([], PROVENANCE, PREDICATE, key)
    with pytest.raises(ValueError, match="no digest"):
        digest_set("md5:abc")


Change = Callable[[dict[str, Any]], object]


def _other_payload(bundle: dict[str, Any]) -> None:
    raw = base64.b64decode(bundle["dsseEnvelope"]["payload"]).replace(b'"a"', b'"b"')
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(raw).decode()


CHANGES: dict[str, Change] = {
    "payload": _other_payload,
    "type": lambda bundle: bundle["dsseEnvelope"].update(payloadType="text/plain"),
    "signature": lambda bundle: bundle["dsseEnvelope"]["signatures"][0].update(
        sig=base64.b64encode(b"x" * 64).decode()
    ),
    "no signature": lambda bundle: bundle["dsseEnvelope"].update(signatures=[]),
    "no envelope": lambda bundle: bundle.pop("dsseEnvelope"),
    "hint": lambda bundle: bundle["verificationMaterial"]["publicKey"].update(hint="x"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_whatever_is_changed_is_refused(name: str, attestation: bytes, key: ServiceKey) -> None:
    bundle = json.loads(attestation)
    CHANGES[name](bundle)
    with pytest.raises(ValueError, match="attestation"):
        read(json.dumps(bundle).encode(), key.allowed_signer)


def test_only_an_allowed_signer_counts_and_only_in_its_time(
    attestation: bytes, key: ServiceKey, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="not among the allowed signers"):
        read(attestation, ServiceKey.load(tmp_path / "stranger").allowed_signer)
    with pytest.raises(ValueError, match="valid only before"):
        read(attestation, f'tuner valid-before="20260101Z" {key.public}\n')
    with pytest.raises(ValueError, match="namespace"):
        read(attestation, f'tuner namespaces="git" {key.public}\n')


@pytest.mark.real
class TestCosign:
    """``cosign verify-blob-attestation`` with the public key and no network."""

    @pytest.fixture
    def cosign(self) -> Path:
        return Toolbox().path("cosign")

    def verified(self, cosign: Path, folder: Path, raw: bytes, key: ServiceKey, blob: bytes, kind: str) -> str:
        (folder / "a.json").write_bytes(raw)
        (folder / "key.pem").write_text(public_pem(key))
        (folder / "blob").write_bytes(blob)
        command = [str(cosign), "verify-blob-attestation", "--bundle", "a.json", "--key", "key.pem"]
        command += ["--insecure-ignore-tlog", "--type", kind, "blob"]
        done = subprocess.run(
            command, cwd=folder, env={"HOME": str(folder)}, capture_output=True, text=True, timeout=120
        )
        assert (done.returncode == 0) == ("Verified OK" in done.stderr)
        return done.stderr

    def test_it_verifies(self, cosign: Path, tmp_path: Path, attestation: bytes, key: ServiceKey) -> None:
        assert "Verified OK" in self.verified(cosign, tmp_path, attestation, key, MANIFEST, "slsaprovenance1")
        summary = attest([subject(b"other"), subject()], SUMMARY, {"verificationResult": "PASSED"}, key)
        assert "Verified OK" in self.verified(cosign, tmp_path, summary, key, MANIFEST, SUMMARY)

    def test_another_blob_key_payload_or_type_does_not(
        self, cosign: Path, tmp_path: Path, attestation: bytes, key: ServiceKey
    ) -> None:
        other = ServiceKey.load(tmp_path / "other")
        bundle = json.loads(attestation)
        _other_payload(bundle)
        changed = json.dumps(bundle).encode()
        for raw, signer, blob, kind in (
            (attestation, key, b"another", "slsaprovenance1"),
            (attestation, other, MANIFEST, "slsaprovenance1"),
            (changed, key, MANIFEST, "slsaprovenance1"),
            (attestation, key, MANIFEST, SUMMARY),
        ):
            assert "Verified OK" not in self.verified(cosign, tmp_path, raw, signer, blob, kind)
