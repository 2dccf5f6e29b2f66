"""What a campaign would do, before it does anything: the size of the space, time and money at most."""

from __future__ import annotations

from decimal import Decimal

from tuner.campaign.inputs import Inputs
from tuner.measurement.verdict import needed
from tuner.recommendation.confirm import BLOCKS
from tuner.space.price import hourly_cost
from tuner.spec.model import TuningSpec
from tuner.spec.quantity import Money
from tuner.value import Value

__all__ = ["Plan", "PlannedParameter", "make_plan"]

START_SECONDS = 5.0
"""Assumed for a server's start; the first trial tells better."""
PROBES = 6
"""Assumed loads of one capacity search, each of at most the spec's ``search.probe``."""


class PlannedParameter(Value):
    """One parameter as people read it."""

    name: str
    domain: str
    baseline: str
    target: str
    when: str


class Plan(Value):
    """What would be run. ``space`` is ``None`` where a parameter is continuous; times and money are upper limits."""

    service: str
    space: int | None
    goal: str
    slo: str
    parameters: tuple[PlannedParameter, ...]
    trials: int
    blocks: int
    minutes: float
    core_hours: float
    money: Money
    limited_by: str
    certain: str = ""
    """How many requests a load needs to certify the SLO, and the lowest capacity that can be certified."""
    steps: tuple[str, ...]


def make_plan(inputs: Inputs) -> Plan:
    """The plan for what was read; runs nothing. UserError where a resource that is needed has no price."""
    spec = inputs.spec
    size = inputs.space.size()
    trials = spec.budget.trials if size is None else min(spec.budget.trials, size)
    seconds = (trials + BLOCKS) * (START_SECONDS + PROBES * spec.search.probe)
    limited = seconds > spec.budget.wall_clock
    seconds = min(seconds, spec.budget.wall_clock)
    resources = inputs.workload(inputs.baseline).resources
    hourly = hourly_cost(spec.prices, resources.cpu, resources.memory, resources.gpus)
    hours = seconds / 3600
    return Plan(
        service=spec.metadata.name,
        space=size,
        goal=_goal(spec),
        slo=", ".join(f"{name} ≤ {bound * 1000:g} ms" for name, bound in spec.slo.latency.items()),
        parameters=_parameters(inputs),
        trials=trials,
        blocks=BLOCKS,
        minutes=seconds / 60,
        core_hours=hours * (resources.cpu or 0.0),
        money=Money(amount=round(hourly.amount * _decimal(hours), 4), currency=hourly.currency),
        limited_by="wall clock" if limited else "trials",
        certain=_certain(spec),
        steps=(
            f"measure the baseline ({inputs.baseline}), then up to {trials - 1} other configurations "
            f"chosen by {spec.search.sampler}",
            f"confirm the best against the baseline in interleaved blocks, about {BLOCKS}",
            f"judge it by {len(inputs.bundle.modules)} policy modules ({inputs.bundle.revision[:19]})",
            f"propose the change of {inputs.manifest_path} as a pull request",
        ),
    )


def _goal(spec: TuningSpec) -> str:
    bands = spec.objective.bands
    if bands is None:
        return spec.objective.goal
    return f"{spec.objective.goal} for arrival rates up to {', '.join(f'{rate:g}' for rate in bands)}/s, each by itself"


def _certain(spec: TuningSpec) -> str:
    slo, probe = spec.slo, spec.search.probe
    requests, percentile = max((needed(0, percent, slo.confidence), percent) for percent, _ in slo.bounds)
    return (
        f"p{percentile:g} at {slo.confidence * 100:g}% confidence needs {requests:,} requests in one load: "
        f"with search.probe {probe:g}s no capacity below {requests / probe:.4g}/s can be certified"
    )


def _parameters(inputs: Inputs) -> tuple[PlannedParameter, ...]:
    return tuple(
        PlannedParameter(
            name=parameter.name,
            domain=str(parameter.domain),
            baseline=str(inputs.baseline.get(parameter.name, "—")),
            target=" ".join(parameter.target.place),
            when=", ".join(f"{need.name} is {' or '.join(map(str, need.values))}" for need in parameter.when),
        )
        for parameter in inputs.space.parameters
    )


def _decimal(value: float) -> Decimal:
    return Decimal(repr(value))
