"""What became of pull requests after they were opened: merged or declined, as the campaign's chain goes on to say.

With that, what they had reserved is free again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tuner.campaign.event import PullRequestChanged
from tuner.campaign.journal import progress_of
from tuner.campaign.parts import Parts
from tuner.campaign.publishing import AUDIT_BRANCH, publish, published_chain, stored_chain
from tuner.campaign.reserving import release_settled
from tuner.campaign.target import Target
from tuner.errors import TunerError
from tuner.ledger.chain import continue_chain
from tuner.pull_request.marker import Marker
from tuner.pull_request.protocol import PullRequest, PullRequestState
from tuner.telemetry.logs import logger

__all__ = ["Closed", "follow_pull_requests"]

_log = logger("watch")


@dataclass(frozen=True, slots=True)
class Closed:
    """A campaign's pull request that was merged or declined; ``news``: its chain did not say so before this look."""

    target: Target
    pull: PullRequest
    news: bool


def follow_pull_requests(parts: Parts, pulls: Sequence[PullRequest]) -> Iterator[Closed]:
    """Continue the chain of every campaign whose pull request was closed, and release what those had reserved.

    ``pulls``: those that changed since the last look that was not cut short. Each that is closed is told, whether or
    not its chain says so already. The chain on the audit branch is continued, not the one of this machine: another
    machine may have run the campaign.
    """
    yield from _closed(parts, pulls)
    _release(parts)


def _closed(parts: Parts, pulls: Sequence[PullRequest]) -> Iterator[Closed]:
    tip = parts.repository.branch(AUDIT_BRANCH)
    if tip is None:
        return
    campaigns = {path.rpartition("/")[2]: path for path in parts.repository.snapshot(tip).files("audit")}
    for pull in pulls:
        marker = Marker.find(pull.body)
        path = campaigns.get(f"{marker.campaign}.jsonl") if marker else None
        if path is not None and pull.state is not PullRequestState.OPEN:
            target = _target(parts, path)
            yield Closed(target, pull, news=_continued(parts, target, pull))


def _release(parts: Parts) -> None:
    """Trouble is told, and stops nothing: a reservation that stays is looked past by whoever reserves next."""
    try:
        for branch in release_settled(parts):
            _log.info("a reservation is released", branch=branch)
    except TunerError as error:
        _log.warning("what is reserved cannot be released", reason=str(error))


def _target(parts: Parts, path: str) -> Target:
    tip = parts.repository.branch(AUDIT_BRANCH) or ""
    started = progress_of(stored_chain(parts.repository.snapshot(tip), path)).started
    assert started is not None  # noqa: S101 - a chain is published when its campaign has ended
    return Target(
        started.service,
        started.spec_path,
        started.spec_commit,
        started.base_branch,
        parts.repository.address,
        started.occasion,
    )


def _continued(parts: Parts, target: Target, pull: PullRequest) -> bool:
    chain = published_chain(parts.repository, target)
    if chain is None:
        return False
    told = progress_of(chain).pull_request
    if any(change.number == pull.number and change.state == pull.state.value for change in told):
        return False
    event = PullRequestChanged(
        state="merged" if pull.state is PullRequestState.MERGED else "declined",
        number=pull.number,
        url=pull.url,
        commit=pull.merge_commit or "",
        reason=pull.reason,
    )
    body = event.model_dump(mode="json", exclude={"kind"})
    publish(parts.repository, target, continue_chain(chain, event.kind, body), parts.key)
    return True
