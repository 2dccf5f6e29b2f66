"""The decision points beside the recommendation, and what each is told: may a spec run, may a change be rolled out."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tuner.engine.workload import Workload
from tuner.policy.quota import QuotaEntry
from tuner.policy.rollback import Rollback
from tuner.policy.waiver import Waiver
from tuner.value import Value

__all__ = ["AdmissionInput", "Moment", "RolloutInput", "RolloutStep"]

Percent = Annotated[float, Field(ge=0, le=100)]


class Moment(Value):
    """When it is asked, in UTC. ``weekday`` counts from 1, Monday; ``hour`` is in [0, 24)."""

    date: str = Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
    weekday: int = Field(ge=1, le=7)
    hour: float = Field(ge=0, lt=24)


class AdmissionInput(Value):
    """May this spec run at all? Asked before the first trial; everything is the most that the campaign may take."""

    service: str
    labels: dict[str, str]
    team: str
    """The label ``team``; empty where there is none."""
    engine: str
    image: str
    currency: str
    trials: int
    wall_clock: float
    """Seconds."""
    money: float
    gpus: dict[str, int]
    """GPUs and MIG slices of one trial, by resource."""
    products: tuple[str, ...] = ("",)
    """Boards that pods may be bound to (node label ``nvidia.com/gpu.product``); empty text: to none."""
    time: Moment
    waivers: tuple[Waiver, ...] = ()

    @property
    def date(self) -> str:
        """The day of the decision."""
        return self.time.date


class RolloutStep(Value):
    """One step: this share of the traffic (percent) until the pause is over and each analysis has passed.

    ``pause`` in seconds; ``None`` waits for a person.
    """

    weight: Percent
    pause: float | None
    analyses: tuple[str, ...] = ()


class RolloutInput(Value):
    """What a roll-out is judged by: its steps, what looks at them, what they need on top."""

    service: str
    labels: dict[str, str]
    steps: tuple[RolloutStep, ...]
    """Before all traffic, in order."""
    analyses: tuple[str, ...] = ()
    """Analysis templates that run in the background from the first step on."""
    templates: tuple[str, ...] = ()
    """Analysis templates that there are."""
    surge: int = Field(ge=0)
    """Replicas that run on top of the stable ones, at most."""
    gpus: dict[str, int]
    """GPUs and MIG slices of one replica, by resource."""
    product: str | None = None
    quota: tuple[QuotaEntry, ...] = ()
    """With what the stable replicas hold among the taken."""
    deployed: Workload
    files: tuple[str, ...]
    rollback: Rollback | None = None
    waivers: tuple[Waiver, ...] = ()
    date: str = ""
    """The day of the decision in UTC, ``YYYY-MM-DD``; without one no waiver counts."""
