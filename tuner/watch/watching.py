"""Looking at a repository: every spec whose last commit has no campaign yet gets one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tuner.campaign.parts import Parts
from tuner.campaign.progress import Progress
from tuner.campaign.run import run_campaign
from tuner.campaign.target import Target, protected_branch
from tuner.errors import TunerError
from tuner.telemetry.logs import logger
from tuner.watch.discovery import find_targets
from tuner.watch.following import follow_pull_requests

__all__ = ["Look", "look"]

_log = logger("watch")


@dataclass(frozen=True, slots=True)
class Look:
    """What one spec came to in one look. Exactly one of ``progress`` and ``error`` is set."""

    spec_path: str
    target: Target | None
    progress: Progress | None
    error: TunerError | None


def look(parts: Parts, branch: str | None = None, *, known: Callable[[str], bool] = lambda _: False) -> Iterator[Look]:
    """Fetch, follow the pull requests, and run every campaign that is due; one spec's trouble does not stop another's.

    ``branch`` is the protected one (default: the repository's own); ``known`` campaigns are passed over in silence.
    Raises what fetching raises, and UserError where the protected branch is one of tuner's own.
    """
    parts.repository.fetch()
    protected = protected_branch(parts.repository, branch)
    _follow(parts)
    for found in find_targets(parts.repository, protected):
        if found.target is None or found.error is not None:
            yield Look(found.spec_path, None, None, found.error)
        elif not known(found.target.campaign):
            yield _attended(parts, found.target)


def _follow(parts: Parts) -> None:
    try:
        for closed in follow_pull_requests(parts, parts.forge.list()):
            if closed.news:
                number, state = closed.pull.number, closed.pull.state.value
                _log.info("pull request closed", campaign=closed.target.campaign, number=number, state=state)
    except TunerError as error:  # looked at again next time; the specs do not wait for it
        _log.warning("pull requests cannot be followed", reason=str(error))


def _attended(parts: Parts, target: Target) -> Look:
    try:
        return Look(target.spec_path, target, run_campaign(target, parts), None)
    except TunerError as error:
        _log.info("the campaign waits", campaign=target.campaign, reason=str(error))
        return Look(target.spec_path, target, None, error)
