"""The branch ``tuner/audit``: every campaign's whole chain, signed. Only the service writes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from tuner.campaign.target import Target
from tuner.errors import PermanentError, TemporaryError
from tuner.ledger.chain import read_chain
from tuner.ledger.head import sign_head
from tuner.ledger.signature import ServiceKey
from tuner.repository.repository import Repository
from tuner.repository.snapshot import Snapshot

__all__ = ["AUDIT_BRANCH", "publish", "published_chain", "stored_chain"]

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
            changes={**files, **(also or {})},
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
