"""A campaign that is wanted, from the queue's side: what to run, how it is going, how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from pydantic import Field

from tuner.value import Value

__all__ = ["IN_FLIGHT", "OPEN", "Account", "Ended", "Job", "State"]


class State(StrEnum):
    """Where a campaign of the queue is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"  # a person has to mend something, or it was tried too often
    REFUSED = "refused"  # the spec or what it names is wrong: queued again when that changes
    SUPERSEDED = "superseded"  # a newer commit took its place
    WITHDRAWN = "withdrawn"  # its spec is gone, or the repository is not watched any more


IN_FLIGHT = (State.QUEUED, State.RUNNING)
OPEN = (*IN_FLIGHT, State.REFUSED)
"""States that a newer commit ends."""


@dataclass(frozen=True, slots=True)
class Job:
    """A campaign to run. ``occasion`` is empty for a commit, else the time that the spec's schedule named."""

    id: int
    repository: str
    spec_path: str
    revision: str
    occasion: str
    service: str
    team: str
    backend: str
    priority: int
    attempts: int
    wanted_at: float
    reserved: float


class Account(Value):
    """What a campaign came to, as the process that ran it tells the service."""

    campaign: str
    result: str
    reason: str = ""
    compute_hours: float = Field(0.0, ge=0)
    phases: dict[str, float] = Field(default_factory=dict)
    """Seconds by finished step."""
    trials: dict[str, int] = Field(default_factory=dict)
    """How many ended how."""
    denials: tuple[str, ...] = ()
    """Ids of the policies that denied."""
    limits: dict[str, int] = Field(default_factory=dict)
    """Calls that the forge still allows, by kind of call, where it tells."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run of a campaign ended. ``stopped``: interrupted, it goes on later; ``retry``: an outage, try later."""

    how: Literal["done", "failed", "refused", "retry", "stopped"]
    reason: str = ""
    account: Account | None = None
    delay: float = 0.0
    """Seconds to wait before another try, where an outage says so."""
