"""The chain of campaigns of one repository: a record for each chain that was published, so that a missing one shows.

It lies beside the chains and is signed like one. A campaign's first record holds the index's last hash at that time;
so an index that was put back to an earlier state is found by any campaign that began later.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import PurePosixPath

from tuner.ledger.chain import continue_chain, read_chain
from tuner.ledger.inspection import Finding, walk
from tuner.ledger.record import Record, timestamp
from tuner.value import digest_of

__all__ = ["INDEX", "INDEX_HEAD", "INDEX_NAME", "INDEX_SIGNATURE", "check_index", "extended", "index_head"]

INDEX = PurePosixPath("audit", "campaigns.chain")
INDEX_HEAD = INDEX.with_name("campaigns.head.json")
INDEX_SIGNATURE = INDEX.with_name("campaigns.head.json.sig")
INDEX_NAME = "campaigns"
"""What the chain says instead of a campaign."""
_PUBLISHED = "published"


def extended(index: bytes, chains: Mapping[str, bytes], *, time: datetime | None = None) -> bytes:
    """The index with a record for each chain (by path) that it does not have in this state, in the order of paths.

    PermanentError where the index, or one of the chains, is broken.
    """
    listed = _listed(index)
    for path in sorted(chains):
        digest = digest_of(chains[path])
        if listed.get(path, {}).get("chain") == digest:
            continue
        last = read_chain(chains[path])[-1]
        body = {"path": path, "campaign": last.campaign, "records": last.seq, "hash": last.hash, "chain": digest}
        if index:
            index = continue_chain(index, _PUBLISHED, body, time=time)
        else:
            index = Record.after(None, INDEX_NAME, _PUBLISHED, body, timestamp(time)).line()
    return index


def index_head(index: bytes) -> str:
    """The hash of the index's last record; empty for an empty index."""
    last = ""
    for link, _ in walk(index):
        last = "" if link is None else link.hash
    return last


def check_index(index: bytes, chains: Mapping[str, bytes], elsewhere: Mapping[str, bytes]) -> tuple[Finding, ...]:
    """What is missing, changed or unlisted among the chains (by path) of the branch with this index.

    ``elsewhere`` are chains that other branches carry: beginnings of those of the same path. The index itself is
    verified as any chain.
    """
    listed = _listed_softly(index)
    hashes = {link.hash for link, _ in walk(index) if link is not None}
    findings = []
    for path, stated in sorted(listed.items()):
        if path not in chains:
            findings.append(Finding(what=f"the campaign {stated['campaign']} was published and is missing ({path})"))
        elif digest_of(chains[path]) != stated["chain"]:
            findings.append(Finding(what=f"the chain {path} is not the one that was published last"))
    findings += [
        Finding(what=f"the chain {path} is not among the published ones")
        for path in sorted(chains)
        if path not in listed
    ]
    for path, chain in sorted({**elsewhere, **chains}.items()):
        known = _begun_with(chain)
        if known and known not in hashes:
            findings.append(
                Finding(what=f"the index lacks what {path} saw when it began: it was put back, or written anew")
            )
    for path, chain in sorted(elsewhere.items()):
        if path not in chains:
            findings.append(Finding(what=f"the chain {path} was merged with its pull request and is not published"))
        elif not chains[path].startswith(chain):
            findings.append(Finding(what=f"the chain {path} of a pull request is no beginning of the published one"))
    return tuple(findings)


def _begun_with(chain: bytes) -> str:
    """The index's head that the campaign's first record names; empty where it names none."""
    try:
        first = Record.read(chain[: chain.find(b"\n") + 1])
    except ValueError:
        return ""
    return str(first.body.get("index") or "")


def _listed(index: bytes) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for record in read_chain(index):
        if record.kind == _PUBLISHED:
            found[str(record.body.get("path"))] = {name: str(value) for name, value in record.body.items()}
    return found


def _listed_softly(index: bytes) -> dict[str, dict[str, str]]:
    """What can be read of an index; what is broken about it is found by its own verification."""
    found: dict[str, dict[str, str]] = {}
    for line in index.splitlines(keepends=True):
        try:
            record = Record.read(line)
        except ValueError:
            continue
        if record.kind == _PUBLISHED and {"path", "campaign", "chain"} <= record.body.keys():
            found[str(record.body["path"])] = {name: str(value) for name, value in record.body.items()}
    return found
