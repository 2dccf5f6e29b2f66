"""What the study keeps of a trial besides its parameters: readable in a dashboard, enough to resume from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from optuna.trial import FrozenTrial, TrialState
from pydantic import ConfigDict, ValidationError

from tuner.errors import PermanentError
from tuner.experience.model import Tried
from tuner.search.objective import Metrics
from tuner.space.assignment import Assignment
from tuner.value import Value

__all__ = ["Entry", "Origin", "Record", "Status", "entry_of"]

Origin = Literal["baseline", "suggested", "start", "search", "retry"]
Status = Literal["waiting", "running", "completed", "failed", "errored", "inconclusive"]


class Record(Value):
    """A trial's user attributes. Only a completed trial has metrics; ``overshoot`` in (0, 1] only a failed one.

    ``capacity*`` in requests per second, ``cost`` (a million requests) and ``hourly`` in the prices' currency,
    ``latency`` and ``seconds`` in seconds, ``handed_out`` counts how often the trial was given out to be run.
    """

    model_config = ConfigDict(extra="ignore")

    assignment: Assignment
    origin: Origin
    handed_out: int = 0
    outcome: Literal["completed", "failed", "errored", "inconclusive"] | None = None
    reason: str | None = None
    gain: float | None = None
    """What its sampler expected of it, in the logarithm of the merit, where it told."""
    capacity: float | None = None
    capacity_low: float | None = None
    capacity_high: float | None = None
    cost: float | None = None
    hourly: float | None = None
    latency: float | None = None
    overshoot: float | None = None
    cores: float | None = None
    seconds: float | None = None
    workload: str | None = None
    cut: str | None = None
    """Why the trial was cut short: its capacity is the middle of a wide interval that lies below what matters."""
    tried: Tried | None = None
    """What the trial teaches a learner: readings with their errors, or bounds."""

    def attributes(self) -> dict[str, Any]:
        """What is written to the study, without what is unknown."""
        return self.model_dump(mode="json", exclude_none=True)


@dataclass(frozen=True, slots=True)
class Entry:
    """One trial of the study, as the search looks back on it."""

    number: int
    status: Status
    record: Record

    @property
    def assignment(self) -> Assignment:
        """The configuration."""
        return self.record.assignment

    @property
    def finished(self) -> bool:
        """True where there is an answer about the configuration."""
        return self.status in ("completed", "failed")

    @property
    def pending(self) -> bool:
        """True where the answer is still to come."""
        return self.status in ("waiting", "running")

    @property
    def metrics(self) -> Metrics | None:
        """What it was judged by; ``None`` unless completed. Of a trial that was cut short it is rough."""
        record = self.record
        if self.status != "completed" or record.capacity is None or record.hourly is None or record.cost is None:
            return None
        return Metrics(
            capacity=record.capacity,
            hourly=record.hourly,
            cost=record.cost,
            latency=record.latency,
            certified=record.capacity_low,
        )


_STATUS: Mapping[TrialState, Status] = {TrialState.WAITING: "waiting", TrialState.RUNNING: "running"}


def entry_of(trial: FrozenTrial) -> Entry:
    """Read a stored trial. PermanentError where another program wrote it."""
    try:
        record = Record.model_validate(trial.user_attrs)
    except ValidationError as error:
        raise PermanentError(
            f"trial {trial.number} of the study was not written by tuner: use another study"
        ) from error
    return Entry(trial.number, _STATUS.get(trial.state) or record.outcome or "errored", record)
