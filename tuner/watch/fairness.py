"""Which of the waiting campaigns runs next: by priority, then by who has had least, then by who waits longest.

A campaign that waits gains a step of priority every hour, so that a low one is late and never forgotten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Load", "Quota", "Waiting", "choose"]

AGING = 3600.0
"""Seconds of waiting that are worth one step of priority."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A campaign that could run. ``reserved``: core-hours that it may use."""

    id: int
    repository: str
    spec_path: str
    team: str
    backend: str
    priority: int
    wanted_at: float
    reserved: float


@dataclass(frozen=True, slots=True)
class Quota:
    """A team's limits; None where there is none."""

    running: int | None = None
    compute_hours: float | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """What runs and what was used: campaigns by backend and by team, core-hours by team in its window.

    ``used`` counts what running campaigns have reserved. ``busy`` are specs that have a campaign in flight.
    """

    by_backend: Mapping[str, int]
    by_team: Mapping[str, int]
    used: Mapping[str, float]
    busy: frozenset[tuple[str, str]] = frozenset()


def choose(
    waiting: Sequence[Waiting],
    load: Load,
    *,
    limit: Callable[[str], int],
    quota: Callable[[str], Quota],
    now: float,
) -> Waiting | None:
    """The next one; None where everything that waits has to go on waiting.

    A team without anything running may always run one campaign whose reservation is larger than its whole quota:
    it could never run otherwise, and its use then blocks the team for the rest of the window.
    """
    behind = Counter(one.team for one in waiting)
    able = [one for one in waiting if _may(one, load, limit, quota)]

    def rank(one: Waiting) -> tuple[float, float, int, int, float, int]:
        steps = one.priority + (now - one.wanted_at) // AGING
        share = load.used.get(one.team, 0.0)
        return (-steps, load.by_team.get(one.team, 0), round(share * 1000), behind[one.team], one.wanted_at, one.id)

    return min(able, key=rank, default=None)


def _may(one: Waiting, load: Load, limit: Callable[[str], int], quota: Callable[[str], Quota]) -> bool:
    if (one.repository, one.spec_path) in load.busy:
        return False
    if load.by_backend.get(one.backend, 0) >= limit(one.backend):
        return False
    allowed = quota(one.team)
    running, used = load.by_team.get(one.team, 0), load.used.get(one.team, 0.0)
    if allowed.running is not None and running >= allowed.running:
        return False
    if allowed.compute_hours is None or used + one.reserved <= allowed.compute_hours:
        return True
    return used == 0.0
