"""What earlier trials taught: the readings of each configuration, and the service that they belong to."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tuner.space.assignment import Assignment
from tuner.value import Value

__all__ = ["Earlier", "ModelFeatures", "Reading", "Tried"]


class Reading(Value):
    """One measured quantity of one configuration, above 0, as its logarithm is what is learned from.

    ``error`` is the standard deviation of that logarithm (0.05: about 5 %). ``side`` says what is known: the value
    itself, or only that it lies ``below`` or ``above``: a trial that ended early, a load that never met its SLO.
    """

    metric: str = Field(min_length=1)
    value: float = Field(gt=0, allow_inf_nan=False)
    error: float = Field(0.0, ge=0, allow_inf_nan=False)
    side: Literal["at", "below", "above"] = "at"


class Tried(Value):
    """One finished trial. ``failed`` did not run (a crash, no memory, refused); it may still have readings.

    A configuration that ran and missed its SLO is ``completed``: whether a limit holds is read off its readings.
    """

    assignment: Assignment
    outcome: Literal["completed", "failed"]
    readings: tuple[Reading, ...] = ()


class ModelFeatures(Value):
    """What a model file says about its cost, read before the first trial.

    ``size`` in bytes, ``parameters`` in bytes of weights, ``operations`` the number of nodes, ``depth`` the longest
    path through them.
    """

    size: int = Field(ge=0)
    parameters: int = Field(ge=0)
    operations: int = Field(ge=0)
    depth: int = Field(ge=0)


class Earlier(Value):
    """A service's trials under one engine, hardware and load.

    ``family`` names services that resemble each other by construction (sizes of one model, say): they count together
    as one witness. ``hardware`` and ``load`` are digests or words; equal ones mean the same.
    """

    service: str
    engine: str
    hardware: str = ""
    load: str = ""
    family: str | None = None
    features: ModelFeatures | None = None
    trials: tuple[Tried, ...]
