"""Looking at what was published: one campaign, all of them and the chain between them, or files for other tools."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime

from cryptography.hazmat.primitives import serialization

from tuner.campaign.publishing import AUDIT_BRANCH, published_chains, stored_chain
from tuner.errors import UserError
from tuner.ledger.attestation import read_attestation
from tuner.ledger.head import Head
from tuner.ledger.index import INDEX, INDEX_HEAD, INDEX_NAME, INDEX_SIGNATURE, check_index
from tuner.ledger.inspection import Finding
from tuner.ledger.signature import NAMESPACE
from tuner.ledger.verify import Verification, verify
from tuner.repository.repository import Repository
from tuner.repository.snapshot import Snapshot

__all__ = ["exported", "verify_all", "verify_one"]

_ATTESTED = (".provenance.sigstore.json", ".verdict.sigstore.json")


def verify_one(snapshot: Snapshot, path: str, allowed: str) -> Verification:
    """One campaign's chain, head, signature, and attestations where it has some."""
    stem = path.removesuffix(".jsonl")
    head = _present(snapshot, f"{stem}.head.json")
    result = verify(
        stored_chain(snapshot, path),
        head,
        _present(snapshot, f"{stem}.head.json.sig"),
        allowed,
        campaign=stem.rpartition("/")[2],
    )
    findings = [*result.findings, *_attestations(snapshot, stem, head, allowed)]
    return result.model_copy(update={"ok": not findings, "findings": tuple(findings)})


def verify_all(repository: Repository, protected: str, allowed: str) -> tuple[Verification, ...]:
    """Every campaign of the audit branch, and at the end the chain of campaigns: none is missing, none was added."""
    tip = repository.branch(AUDIT_BRANCH)
    if tip is None:
        raise UserError.of(f"there is no branch {AUDIT_BRANCH}", "no campaign has ended here, or it was deleted")
    snapshot = repository.snapshot(tip)
    chains = published_chains(snapshot)
    results = [verify_one(snapshot, path, allowed) for path in sorted(chains)]
    index = stored_chain(snapshot, str(INDEX)) if snapshot.entry(str(INDEX)) else b""
    found = verify(
        index,
        _present(snapshot, str(INDEX_HEAD)),
        _present(snapshot, str(INDEX_SIGNATURE)),
        allowed,
        campaign=INDEX_NAME,
    )
    merged = published_chains(repository.snapshot(repository.resolve(protected)))
    findings = [*found.findings, *check_index(index, chains, merged)]
    return (*results, found.model_copy(update={"ok": not findings, "findings": tuple(findings)}))


def exported(snapshot: Snapshot, path: str, allowed: str) -> dict[str, bytes]:
    """The files of one campaign's audit by name, with the allowed signers, and each of their keys in PEM."""
    stem = path.removesuffix(".jsonl")
    name = stem.rpartition("/")[2]
    files = {f"{name}.jsonl": stored_chain(snapshot, path), "allowed_signers": allowed.encode()}
    for end in (".head.json", ".head.json.sig", *_ATTESTED):
        if snapshot.entry(f"{stem}{end}"):
            files[f"{name}{end}"] = snapshot.read(f"{stem}{end}")
    for number, pem in enumerate(_pems(allowed), start=1):
        files[f"key-{number}.pem"] = pem
    return files


def _attestations(snapshot: Snapshot, stem: str, head: bytes, allowed: str) -> list[Finding]:
    try:
        at = datetime.fromisoformat(Head.read(head).time)
    except ValueError:
        return []  # the head's own finding says it
    findings = []
    for end in _ATTESTED:
        if snapshot.entry(f"{stem}{end}"):
            try:
                read_attestation(snapshot.read(f"{stem}{end}"), allowed, namespace=NAMESPACE, at=at)
            except ValueError as error:
                findings.append(Finding(what=f"{stem.rpartition('/')[2]}{end}: {error}"))
    return findings


def _pems(allowed: str) -> list[bytes]:
    found = []
    for line in allowed.splitlines():
        words = line.split()
        if line.lstrip().startswith("#") or "ssh-ed25519" not in words[:-1]:
            continue
        try:
            raw = words[words.index("ssh-ed25519") + 1]
            base64.b64decode(raw, validate=True)
            key = serialization.load_ssh_public_key(f"ssh-ed25519 {raw}".encode())
        except (ValueError, binascii.Error):
            continue
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        found.append(key.public_bytes(serialization.Encoding.PEM, form))
    return found


def _present(snapshot: Snapshot, path: str) -> bytes:
    return snapshot.read(path) if snapshot.entry(path) else b""
