"""The quota as it stands now, and the part of it that a proposal reserves before its pull request is opened."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from tuner.campaign.parts import Parts
from tuner.campaign.session import Session
from tuner.engine.workload import Workload
from tuner.policy.quota import QuotaEntry, read_quota
from tuner.policy.reservation import Claim, Reservation, reservations, reserve, settle, with_reserved
from tuner.policy.stock import PRODUCT, Stock, take_stock
from tuner.pull_request.proposal import branch_name
from tuner.pull_request.protocol import Forge, PullRequestState

__all__ = ["quota_now", "release_settled", "reserve_for"]


def quota_now(session: Session, workload: Workload) -> tuple[QuotaEntry, ...]:
    """The quota by the protected branch's manifests and the reservations; empty for what needs no GPU.

    TemporaryError where the forge or the repository does not answer.
    """
    if not any(workload.resources.gpus.values()):
        return session.inputs.quota
    over = _over(session.parts)  # before the manifests: what is merged in between is counted in both
    _, entries = _stock(session)
    made = tuple(each for each in reservations(session.parts.repository) if not over(each))
    return with_reserved(entries, made, branch_name(session.target.spec_path))


def reserve_for(session: Session, workload: Workload) -> str:
    """Reserve what the workload takes on top of what is deployed; empty where that is done, else what is in the way."""
    wanted = {resource: count * workload.replicas for resource, count in workload.resources.gpus.items()}
    if not any(wanted.values()):
        return ""
    branch = branch_name(session.target.spec_path)
    over = _over(session.parts)  # before the manifests, as above
    stock, entries = _stock(session)
    claims = _claims(session, stock, workload, wanted)

    def against(others: tuple[Reservation, ...]) -> str:
        for entry in with_reserved(entries, others, branch):
            count, product = wanted.get(entry.resource, 0), workload.node_selector.get(PRODUCT)
            if entry.product in ("*", product) and count > entry.limit - entry.taken - entry.reserved:
                free = max(0, entry.limit - entry.taken - entry.reserved)
                return (
                    f"{count} of {entry.resource} on {entry.product} are wanted, {free} of {entry.limit} are free now, "
                    f"{entry.reserved} are reserved by open pull requests: merge or close one, or raise the quota"
                )
        return ""

    reservation = Reservation(
        branch=branch,
        campaign=session.target.campaign,
        claims=claims,
        time=datetime.now(UTC),
        after=_last_settled(session.parts.forge, branch),
    )
    return reserve(session.parts.repository, reservation, against, over)


def release_settled(parts: Parts) -> tuple[str, ...]:
    """Drop the reservations whose pull requests were merged or closed; their branches.

    Errors as ``settle``, and the forge's. Whoever reserves looks past them anyway: this keeps the branch to what is
    open.
    """
    return settle(parts.repository, _over(parts))


def _over(parts: Parts) -> Callable[[Reservation], bool]:
    """Whether a reservation is over, by what the forge says now of its branch's pull requests.

    One that is made later than now is not: its branch is not asked for.
    """
    parts.repository.fetch()
    branches = {made.branch for made in reservations(parts.repository)}
    is_open = {
        branch: {pull.number: pull.state is PullRequestState.OPEN for pull in parts.forge.find(branch)}
        for branch in sorted(branches)
    }
    now = datetime.now(UTC)
    return lambda made: made.branch in is_open and made.is_over(is_open[made.branch], now)


def _stock(session: Session) -> tuple[Stock, tuple[QuotaEntry, ...]]:
    repository, inputs = session.parts.repository, session.inputs
    repository.fetch()
    snapshot = repository.snapshot(repository.resolve(session.target.branch))
    stock = take_stock(snapshot)
    stated = read_quota(snapshot)
    container = inputs.spec.service.container
    return stock, stock.entries(stated.entries, inputs.manifest_path, container, stated.uncounted)


def _claims(session: Session, stock: Stock, workload: Workload, wanted: dict[str, int]) -> tuple[Claim, ...]:
    own = stock.own(session.inputs.manifest_path, session.inputs.spec.service.container)
    product = workload.node_selector.get(PRODUCT)
    namespace = next((each.namespace for each in own), "")
    more = {
        resource: count - sum(each.count for each in own if each.resource == resource and each.product == product)
        for resource, count in wanted.items()
    }
    return tuple(
        Claim(product=product, resource=resource, namespace=namespace, count=count)
        for resource, count in sorted(more.items())
        if count > 0
    )


def _last_settled(forge: Forge, branch: str) -> int:
    closed = [pull.number for pull in forge.find(branch) if pull.state is not PullRequestState.OPEN]
    return max(closed, default=0)
