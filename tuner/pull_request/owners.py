"""Who owns the files of a change, as the repository's CODEOWNERS says it."""

from __future__ import annotations

from collections.abc import Iterable

from codeowners import CodeOwners

from tuner.errors import TunerError
from tuner.repository.snapshot import Snapshot
from tuner.telemetry.logs import logger

__all__ = ["owners_of"]

_PLACES = (".github/CODEOWNERS", ".gitlab/CODEOWNERS", ".gitea/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
"""The first that there is counts."""
_MOST = 15
"""What GitHub takes for one pull request."""
_log = logger("pull_request")


def owners_of(snapshot: Snapshot, paths: Iterable[str]) -> tuple[str, ...]:
    """Names (``ada``) and teams (``organisation/team``) of the commit's CODEOWNERS for these files, in its order.

    Addresses of mail are left out: no forge can be asked by them. Nobody where there is no such file or it cannot be
    read: a review that nobody is asked for does not stop a proposal.
    """
    place = next((place for place in _PLACES if snapshot.entry(place) is not None), None)
    if place is None:
        return ()
    try:
        rules = CodeOwners(snapshot.read(place).decode())
        found = [owner for path in paths for kind, owner in rules.of(path) if kind in ("USERNAME", "TEAM")]
    except (TunerError, ValueError) as error:  # re.error is none of these: patterns are translated, not taken over
        _log.warning("the owners of the change cannot be read", file=place, reason=str(error))
        return ()
    return tuple(dict.fromkeys(owner.removeprefix("@") for owner in found))[:_MOST]
