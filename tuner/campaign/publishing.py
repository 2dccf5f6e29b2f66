"""The branch ``tuner/audit``: every campaign's whole chain, signed. Only the service writes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from tuner.campaign.target import Target
from tuner.errors import PermanentError, TemporaryError
from tuner.ledger.chain import read_chain
from tuner.ledger.head import sign_head
from tuner.ledger.index import INDEX, INDEX_HEAD, INDEX_SIGNATURE, extended
from tuner.ledger.signature import ServiceKey
from tuner.repository.repository import Repository
from tuner.repository.snapshot import Snapshot

__all__ = [
    "AUDIT_BRANCH",
    "publish",
    "published_chain",
    "published_chains",
    "published_index",
    "stored_chain",
]

AUDIT_BRANCH = "tuner/audit"
LARGEST_CHAIN = 1 << 30
"""Bytes; a trial takes some ten or twenty thousand."""
_TRIES = 5


def published_chain(repository: Repository, target: Target) -> bytes | None:
    """The campaign's chain as the audit branch has it; ``None`` where the campaign has not ended yet."""
    tip = repository.branch(AUDIT_BRANCH)
    path = str(target.audit.chain)
    if tip is None or repository.snapshot(tip).entry(path) is None:
        return None
    return stored_chain(repository.snapshot(tip), path)


def stored_chain(snapshot: Snapshot, path: str) -> bytes:
    """The bytes of a chain in a commit; the chain of a long campaign is larger than other files may be."""
    return replace(snapshot, largest=LARGEST_CHAIN).read(path)


def publish(
    repository: Repository,
    target: Target,
    chain: bytes,
    key: ServiceKey,
    also: Mapping[str, bytes] | None = None,
) -> str:
    """Put the chain with its signed head (and further files) on the audit branch; SHA of the branch's commit.

    Repeating it changes nothing, and a longer chain that is there stays. TemporaryError where other processes keep
    moving the branch, PermanentError where it has a chain that is no beginning of this one.
    """
    last = read_chain(chain)[-1]
    moment = datetime.fromisoformat(last.time)
    files = {str(path): raw for path, raw in target.audit.content(chain, sign_head(chain, key, time=moment)).items()}
    for attempt in range(_TRIES):
        repository.fetch()
        tip = repository.branch(AUDIT_BRANCH)
        there = published_chain(repository, target)
        if tip is not None and there is not None and there.startswith(chain):
            return tip
        if there is not None and not chain.startswith(there):
            raise PermanentError(f"{AUDIT_BRANCH} has another chain of {target.campaign}: nothing of it is replaced")
        commit = repository.commit(
            parent=tip,
            changes={**files, **_indexed(repository, tip, target, chain, key, moment), **(also or {})},
            message=f"audit: {target.campaign}, record {last.seq}: {last.kind}\n",
            date=moment,
        )
        try:
            repository.push(AUDIT_BRANCH, commit, expected=tip)
        except TemporaryError:
            if attempt == _TRIES - 1:
                raise
        else:
            return commit
    raise AssertionError("the loop returns or raises")


def published_index(repository: Repository) -> bytes:
    """The chain of campaigns as the audit branch has it; empty where there is none yet."""
    tip = repository.branch(AUDIT_BRANCH)
    return b"" if tip is None else _read_index(repository.snapshot(tip))


def published_chains(snapshot: Snapshot) -> dict[str, bytes]:
    """Every campaign's chain in a commit, by its path."""
    paths = [path for path in snapshot.files() if path.startswith("audit/") and path.endswith(".jsonl")]
    return {path: stored_chain(snapshot, path) for path in paths}


def _read_index(snapshot: Snapshot) -> bytes:
    return stored_chain(snapshot, str(INDEX)) if snapshot.entry(str(INDEX)) else b""


def _indexed(
    repository: Repository, tip: str | None, target: Target, chain: bytes, key: ServiceKey, moment: datetime
) -> dict[str, bytes]:
    """The chain of campaigns with this one, signed; where it begins, with all that were published before it."""
    known = b"" if tip is None else _read_index(repository.snapshot(tip))
    before = published_chains(repository.snapshot(tip)) if tip is not None and not known else {}
    index = extended(known, {**before, str(target.audit.chain): chain}, time=moment)
    signed = sign_head(index, key, time=moment)
    return {
        str(INDEX): index,
        str(INDEX_HEAD): signed.head.encode(),
        str(INDEX_SIGNATURE): signed.signature.encode(),
    }
