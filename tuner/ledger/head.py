"""The signed head of a chain: how many records there are and how they end, so that a truncation is found."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Self

from pydantic import Field

from tuner.errors import PermanentError
from tuner.ledger.inspection import Finding, Link, walk
from tuner.ledger.record import CampaignId, Digest, Timestamp, timestamp
from tuner.ledger.signature import ServiceKey
from tuner.value import Value, canonical_json, digest_of

__all__ = ["ALLOWED_SIGNERS", "AuditFiles", "Head", "SignedHead", "sign_head"]

ALLOWED_SIGNERS = PurePosixPath("audit", "allowed_signers")
"""Where the repository says who may sign; read it from the protected branch only."""


class Head(Value):
    """What is signed. ``chain`` is the digest of the chain file's bytes, ``hash`` that of its last record."""

    campaign: CampaignId
    records: int = Field(ge=1)
    hash: Digest
    chain: Digest
    time: Timestamp

    @classmethod
    def of(cls, chain: bytes, *, time: datetime | None = None) -> Self:
        """The head of a chain's bytes. PermanentError where the chain is empty or broken."""
        findings: list[Finding] = []
        last: Link | None = None
        for link, found in walk(chain):
            findings += found
            last = link
        if findings:
            raise PermanentError(f"the audit chain is broken: {'; '.join(map(str, findings[:5]))}")
        if last is None:
            raise PermanentError("an empty audit chain has no head to sign")
        return cls(
            campaign=last.campaign, records=last.seq, hash=last.hash, chain=digest_of(chain), time=timestamp(time)
        )

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """The head in a file's bytes. ValueError where they are not exactly what ``encode`` writes."""
        head = cls.model_validate_json(raw, strict=True)
        if head.encode() != raw:
            raise ValueError("the head is not spelled canonically")
        return head

    def encode(self) -> bytes:
        """The bytes that are signed and stored: canonical JSON and a newline."""
        return canonical_json(self.model_dump(mode="json")).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A head with its armored signature over ``head.encode()``."""

    head: Head
    signature: str


@dataclass(frozen=True, slots=True)
class AuditFiles:
    """Where a campaign's audit lies in the repository."""

    service: str
    campaign: str

    @property
    def chain(self) -> PurePosixPath:
        """The chain of records."""
        return PurePosixPath("audit", self.service, f"{self.campaign}.jsonl")

    @property
    def head(self) -> PurePosixPath:
        """The head."""
        return self.chain.with_name(f"{self.campaign}.head.json")

    @property
    def signature(self) -> PurePosixPath:
        """The head's signature."""
        return self.chain.with_name(f"{self.campaign}.head.json.sig")

    @property
    def provenance(self) -> PurePosixPath:
        """The attestation of how the change came about."""
        return self.chain.with_name(f"{self.campaign}.provenance.sigstore.json")

    @property
    def summary(self) -> PurePosixPath:
        """The attestation of the policies' verdict."""
        return self.chain.with_name(f"{self.campaign}.verdict.sigstore.json")

    def content(self, chain: bytes, signed: SignedHead) -> dict[PurePosixPath, bytes]:
        """The three files to commit."""
        return {self.chain: chain, self.head: signed.head.encode(), self.signature: signed.signature.encode()}


def sign_head(chain: bytes, key: ServiceKey, *, time: datetime | None = None) -> SignedHead:
    """Sign how a chain's bytes end. PermanentError where the chain is empty or broken."""
    head = Head.of(chain, time=time)
    return SignedHead(head, key.sign(head.encode()))
