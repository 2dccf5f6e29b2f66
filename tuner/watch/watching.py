"""Looking at a repository: every spec whose last commit has no campaign yet gets one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tuner.campaign.journal import progress_of
from tuner.campaign.parts import Parts
from tuner.campaign.progress import Progress
from tuner.campaign.publishing import published_chain
from tuner.campaign.run import run_campaign
from tuner.campaign.target import Target
from tuner.errors import TemporaryError, UserError
from tuner.telemetry.logs import logger
from tuner.watch.discovery import find_targets
from tuner.watch.following import follow_pull_requests

__all__ = ["Look", "look"]

_log = logger("watch")


@dataclass(frozen=True, slots=True)
class Look:
    """What one spec came to in one look. Exactly one of ``progress`` and ``error`` is set.

    ``new``: this look ran the campaign; otherwise it had ended before.
    """

    spec_path: str
    target: Target | None
    progress: Progress | None
    error: UserError | TemporaryError | None
    new: bool


def look(parts: Parts, branch: str | None = None, *, known: Callable[[str], bool] = lambda _: False) -> Iterator[Look]:
    """Fetch, follow the pull requests, and run every campaign that is due; one spec's trouble does not stop another's.

    ``branch`` is the protected one (default: the repository's own); ``known`` campaigns are passed over in silence.
    """
    parts.repository.fetch()
    for target, pull in follow_pull_requests(parts):
        _log.info("pull request closed", campaign=target.campaign, number=pull.number, state=pull.state.value)
    for found in find_targets(parts.repository, branch or parts.repository.default_branch()):
        if found.target is None or found.error is not None:
            yield Look(found.spec_path, None, None, found.error, new=True)
        elif not known(found.target.campaign):
            yield _attended(parts, found.target)


def _attended(parts: Parts, target: Target) -> Look:
    chain = published_chain(parts.repository, target)
    if chain is not None:
        return Look(target.spec_path, target, progress_of(chain), None, new=False)
    try:
        return Look(target.spec_path, target, run_campaign(target, parts), None, new=True)
    except (UserError, TemporaryError) as error:
        _log.warning("the campaign waits", campaign=target.campaign, reason=str(error))
        return Look(target.spec_path, target, None, error, new=True)
