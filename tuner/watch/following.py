"""What became of pull requests after they were opened: merged or declined, as the campaign's chain goes on to say."""

from __future__ import annotations

from collections.abc import Iterator

from tuner.campaign.event import PullRequestChanged
from tuner.campaign.journal import progress_of
from tuner.campaign.parts import Parts
from tuner.campaign.publishing import AUDIT_BRANCH, publish, published_chain, stored_chain
from tuner.campaign.target import Target
from tuner.ledger.chain import continue_chain
from tuner.pull_request.marker import Marker
from tuner.pull_request.protocol import PullRequest, PullRequestState

__all__ = ["follow_pull_requests"]


def follow_pull_requests(parts: Parts) -> Iterator[tuple[Target, PullRequest]]:
    """Continue the chain of every campaign whose pull request was closed since; yields each that was.

    The chain on the audit branch is continued, not the one of this machine: another machine may have run the campaign.
    """
    tip = parts.repository.branch(AUDIT_BRANCH)
    if tip is None:
        return
    campaigns = {path.rpartition("/")[2]: path for path in parts.repository.snapshot(tip).files("audit")}
    for pull in parts.forge.list():
        marker = Marker.find(pull.body)
        path = campaigns.get(f"{marker.campaign}.jsonl") if marker else None
        if path is not None and pull.state is not PullRequestState.OPEN:
            target = _target(parts, path)
            if _continued(parts, target, pull):
                yield target, pull


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
