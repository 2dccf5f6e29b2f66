"""What a finished trial answers: the facts that the study keeps, and metrics where it counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tuner.engine.workload import Resources
from tuner.experience.readings import tried_of
from tuner.measurement.model import Measurement
from tuner.search.objective import Goal, Metrics, Missed, overshoot
from tuner.trial.outcome import Completed, Failed, Trial

__all__ = ["Answer", "answer_of"]


@dataclass(frozen=True, slots=True)
class Answer:
    """``facts`` are fields of a Record; only with ``metrics`` does the trial have a score."""

    facts: dict[str, Any]
    metrics: Metrics | None = None


def answer_of(trial: Trial, resources: Resources, goal: Goal) -> Answer:
    """Read a trial by the goal; ``resources`` are those it ran with. UserError where they have no price."""
    facts: dict[str, Any] = {
        "workload": trial.workload,
        "seconds": max(trial.ended - trial.started, 0.0),
        "cores": resources.cpu,
        "hourly": goal.hourly(resources),
    }
    outcome = trial.outcome
    tried = tried_of(trial, goal.slo)
    if tried is not None:
        facts["tried"] = tried.model_dump(mode="json")
    if isinstance(outcome, Completed):
        return _measured(facts, outcome.measurement, goal.metrics(outcome.measurement, resources))
    if isinstance(outcome, Failed):
        excess = 1.0 if outcome.measurement is None else overshoot(outcome.measurement)
        reason = f"{outcome.failure.value}: {outcome.reason}"
        return Answer(facts | {"outcome": "failed", "reason": reason, "overshoot": excess})
    return Answer(facts | {"outcome": outcome.kind, "reason": outcome.reason})


def _measured(facts: dict[str, Any], measurement: Measurement, metrics: Metrics | Missed) -> Answer:
    if isinstance(metrics, Missed):
        return Answer(facts | {"outcome": "failed", "reason": metrics.reason, "overshoot": metrics.overshoot})
    facts |= {"outcome": "completed"} | metrics.model_dump(exclude={"certified"})
    if measurement.capacity is not None:
        rate = measurement.capacity.rate
        facts |= {"capacity_low": rate.low, "capacity_high": rate.high}
    if measurement.cut is not None:
        facts |= {"cut": measurement.cut.reason}
    return Answer(facts, metrics)
