"""Asking the policies: the document is made from what was measured, and stored with the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import geometric_mean, median

from scipy.special import betaincinv

from tuner.campaign.asking import asked
from tuner.campaign.changing import changed_files, changes_of, fleet_of, fleet_workload
from tuner.campaign.event import Judged
from tuner.campaign.reserving import quota_now
from tuner.campaign.sameness import templates
from tuner.campaign.session import Session
from tuner.campaign.undoing import way_back
from tuner.measurement.model import Interval, LoadPoint
from tuner.policy.model import PolicyInput, PolicySide
from tuner.policy.waiver import read_waivers
from tuner.recommendation.confirm import BlockMeasured, result_of
from tuner.recommendation.model import Propose, Side
from tuner.trial.outcome import Completed

__all__ = ["judge", "policy_input"]

_PRODUCT = "nvidia.com/gpu.product"


def judge(session: Session, number: int, recommendation: Propose) -> Judged:
    """The verdict on one candidate. Errors of the policies are denials; TemporaryError where nobody answers now."""
    document = policy_input(session, number, recommendation)
    return Judged(candidate=number, document=document, verdict=asked(session, document))


def policy_input(session: Session, number: int, recommendation: Propose) -> PolicyInput:
    """Everything that a decision may rest on."""
    inputs, spec, comparison = session.inputs, session.inputs.spec, recommendation.comparison
    trials = session.progress.trials.values()
    fleet = fleet_of(inputs, recommendation)
    files = tuple(sorted(changed_files(inputs, comparison.candidate.assignment, fleet)))
    return PolicyInput(
        service=spec.metadata.name,
        labels=dict(spec.metadata.labels),
        slo=dict(spec.slo.latency),
        slo_error_rate=spec.slo.error_rate,
        currency=spec.prices.currency,
        baseline=_side(session, number, "baseline", comparison.baseline),
        candidate=_side(session, number, "candidate", comparison.candidate, fleet),
        deployed=inputs.manifest.workload,
        compared_load=session.comparison_rate(number),
        expected_load=spec.load.expected,
        ratio=comparison.ratio,
        confidence=comparison.confidence,
        trials=sum(isinstance(trial.outcome, Completed) for trial in trials),
        blocks=len(comparison.order),
        changes=tuple(change.name for change in changes_of(inputs, comparison.candidate.assignment, fleet)),
        quota=quota_now(session, inputs.workload(comparison.candidate.assignment)),
        files=files,
        rollback=way_back(inputs, files),
        template=templates(session, number, comparison.candidate.assignment, fleet),
        waivers=read_waivers(inputs.snapshot),
        date=f"{datetime.now(UTC):%Y-%m-%d}",
    )


def _side(session: Session, number: int, name: str, side: Side, replicas: int | None = None) -> PolicySide:
    workload = fleet_workload(session.inputs, side.assignment, replicas)
    points = _points(session, number, name)
    return PolicySide(
        workload=workload,
        workload_digest=side.workload,
        capacity=Interval(value=geometric_mean(side.capacities), low=min(side.capacities), high=max(side.capacities)),
        latency=side.latency,
        latency_interval={key: _range([point.latency[key] for point in points]) for key in side.latency if points},
        error_rate=_error_rate(points),
        error_rate_interval=_error_interval(points, session.inputs.spec.slo.confidence),
        cost_per_million=float(side.cost.per_million.amount) if side.cost.per_million else None,
        hourly_cost=float(side.cost.hourly.amount),
        monthly_cost=float(side.cost.monthly.amount) if side.cost.monthly else None,
        product=workload.node_selector.get(_PRODUCT),
    )


def _points(session: Session, number: int, side: str) -> list[LoadPoint]:
    """The loads at the shared rate, one for each block of this side that counts."""
    goal = session.inputs.goal
    outcomes = [event.trial.outcome for event in session.progress.blocks[number] if event.block.side == side]
    counted = [outcome for outcome in outcomes if isinstance(result_of(outcome, goal), BlockMeasured)]
    measured = [outcome.measurement.at_rate for outcome in counted if isinstance(outcome, Completed)]
    return [point for point in measured if point is not None]


def _range(values: Sequence[float]) -> Interval:
    """What the blocks spread over: policies judge the unfavourable end."""
    return Interval(value=median(values), low=min(values), high=max(values))


def _error_rate(points: Sequence[LoadPoint]) -> float | None:
    scheduled = sum(point.result.scheduled for point in points)
    return sum(point.result.failures for point in points) / scheduled if scheduled else None


def _error_interval(points: Sequence[LoadPoint], confidence: float) -> Interval | None:
    """Clopper and Pearson's one-sided bounds: each end holds with the confidence."""
    scheduled = sum(point.result.scheduled for point in points)
    if not scheduled:
        return None
    failed = sum(point.result.failures for point in points)
    low = float(betaincinv(failed, scheduled - failed + 1, 1 - confidence)) if failed else 0.0
    high = float(betaincinv(failed + 1, scheduled - failed, confidence)) if failed < scheduled else 1.0
    return Interval(value=failed / scheduled, low=low, high=high)
