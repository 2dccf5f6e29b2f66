"""How a trial ended. Only a completed trial has a measurement; a failed one has a reason and no score."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from tuner.measurement.model import Measurement
from tuner.space.assignment import Assignment
from tuner.value import Value

__all__ = ["Completed", "Errored", "Failed", "FailureKind", "Inconclusive", "Outcome", "Trial"]


class FailureKind(StrEnum):
    """Why a configuration failed by its own fault."""

    REFUSED = "refused"  # the engine says that it cannot run this assignment
    START = "start"  # exited before it was ready
    START_TIMEOUT = "start-timeout"  # alive, never ready
    DIED = "died"  # exited under load
    OUT_OF_MEMORY = "out-of-memory"  # passed its memory limit
    TIMEOUT = "timeout"  # passed the trial's own time limit
    INFEASIBLE = "infeasible"  # ran, and no load met the SLO


class Completed(Value):
    """Measured to the end."""

    kind: Literal["completed"] = "completed"
    measurement: Measurement


class Failed(Value):
    """The configuration's fault: it is remembered and never wins. ``measurement`` only where it was INFEASIBLE."""

    kind: Literal["failed"] = "failed"
    failure: FailureKind
    reason: str = Field(min_length=1)
    measurement: Measurement | None = None


class Errored(Value):
    """The machine's fault (no port, full disk, broken generator): says nothing about the configuration."""

    kind: Literal["errored"] = "errored"
    reason: str = Field(min_length=1)


class Inconclusive(Value):
    """Ran, and the measurement cannot be believed (the generator was the bottleneck, noise).

    ``measurement`` only where it was whole and something else spoils it (the machine changed its speed meanwhile).
    """

    kind: Literal["inconclusive"] = "inconclusive"
    reason: str = Field(min_length=1)
    measurement: Measurement | None = None


Outcome = Annotated[Completed | Failed | Errored | Inconclusive, Field(discriminator="kind")]


class Trial(Value):
    """One configuration, tried. Times in seconds since the epoch."""

    number: int
    assignment: Assignment
    workload: str
    """Digest of the workload that ran."""
    outcome: Outcome
    started: float
    ended: float
