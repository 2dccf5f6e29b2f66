"""Is an audit log what the service signed? Every changed, missing, reordered, added or cut off record is found."""

from __future__ import annotations

from datetime import datetime

from tuner.ledger.head import Head
from tuner.ledger.inspection import Finding, Link, walk
from tuner.ledger.signature import NAMESPACE, check_signature, fingerprint
from tuner.ledger.signers import admitted_principals
from tuner.value import Value, digest_of

__all__ = ["Verification", "verify"]


class Verification(Value):
    """The answer: ``ok`` only where nothing at all was found."""

    ok: bool
    findings: tuple[Finding, ...]
    campaign: str | None
    records: int
    """Lines of the chain."""
    signer: str | None
    """Principals and fingerprint of a signer that is allowed; ``None`` where there is none."""


def verify(
    chain: bytes,
    head: bytes,
    signature: str | bytes,
    allowed_signers: str,
    *,
    campaign: str | None = None,
    identity: str | None = None,
    at: datetime | None = None,
) -> Verification:
    """Check a chain against its signed head; nothing is raised for anything that the files may contain.

    ``allowed_signers`` is the text of the file on the protected branch, never that of the branch being verified.
    ``campaign`` is the one that the files are named after. ``identity`` narrows the signer to one principal. A key's
    dates are held against ``at``, by default the time that the signed head states.
    """
    about_head: list[Finding] = []
    stated = _read_head(head, about_head)
    findings: list[Finding] = []
    count, at_head = 0, None
    for count, (record, found) in enumerate(walk(chain), start=1):
        findings += found
        if stated is not None and count == stated.records:
            at_head = record
    sound = not findings
    findings += about_head
    if stated is not None:
        findings += _against_head(chain, count, at_head, stated, sound=sound)
        if campaign is not None and stated.campaign != campaign:
            findings.append(Finding(what=f"the head is for campaign {stated.campaign}, not for {campaign}"))
    moment = at
    if moment is None and stated is not None:
        moment = datetime.fromisoformat(stated.time)
    signer = _signer(head, signature, allowed_signers, identity, moment, findings)
    return Verification(
        ok=not findings,
        findings=tuple(findings),
        campaign=stated.campaign if stated else None,
        records=count,
        signer=signer,
    )


def _read_head(raw: bytes, findings: list[Finding]) -> Head | None:
    try:
        head = Head.read(raw)
        datetime.fromisoformat(head.time)
    except (ValueError, RecursionError):
        findings.append(Finding(what="the head file is not a head in canonical JSON"))
        return None
    return head


def _against_head(chain: bytes, count: int, at_head: Link | None, head: Head, *, sound: bool) -> list[Finding]:
    findings = []
    if count < head.records:
        which = f"record {head.records}" if count + 1 == head.records else f"records {count + 1} to {head.records}"
        findings.append(Finding(what=f"the chain ends after {count} of {head.records} records: {which} missing"))
    findings += [
        Finding(record=number, what="was added after the head was signed")
        for number in range(head.records + 1, count + 1)
    ]
    if at_head is not None and at_head.hash != head.hash:
        findings.append(Finding(record=head.records, what="is not the one whose hash the head holds"))
    if at_head is not None and at_head.campaign != head.campaign:
        findings.append(Finding(record=head.records, what=f"is of another campaign than the head's {head.campaign}"))
    if digest_of(chain) != head.chain and not findings and sound:
        findings.append(Finding(what="the chain file has other bytes than the head says"))
    return findings


def _signer(
    head: bytes,
    signature: str | bytes,
    allowed_signers: str,
    identity: str | None,
    moment: datetime | None,
    findings: list[Finding],
) -> str | None:
    """The signer, where the signature is valid and admitted; what speaks against it is added to the findings."""
    try:
        armored = signature.decode("ascii") if isinstance(signature, bytes) else signature
        key = check_signature(head, armored, NAMESPACE)
        if moment is None:
            return None
        principals = admitted_principals(allowed_signers, key, namespace=NAMESPACE, at=moment, identity=identity)
    except UnicodeDecodeError:
        findings.append(Finding(what="the signature is not an armored SSH signature"))
        return None
    except ValueError as error:
        findings.append(Finding(what=str(error)))
        return None
    return f"{principals} {fingerprint(key)}"
