"""The one format of every benchmark: figures of one run on one machine, each with its interval and its goal."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field

from tuner.value import Value

__all__ = ["Against", "BenchmarkResult", "Change", "Figure", "compare", "meets"]

_GOAL = re.compile(r"(<=|>=|<|>|==)\s*(-?\d+(?:\.\d+)?)")


class Against(Value):
    """What a figure is compared with in the same run."""

    name: str
    value: float


class Figure(Value):
    """One figure. ``ratio`` is value ÷ against.value, ``goal`` reads ``<= 6``, ``met`` says whether it is held."""

    id: str
    value: float
    unit: str
    interval: tuple[float, float] | None = None
    against: Against | None = None
    ratio: float | None = None
    goal: str | None = Field(None, pattern=_GOAL.pattern)
    met: bool | None = None

    @classmethod
    def of(
        cls,
        name: str,
        value: float,
        unit: str,
        *,
        interval: tuple[float, float] | None = None,
        against: Against | None = None,
        goal: str | None = None,
    ) -> Figure:
        """The figure with its ratio and its verdict on the goal worked out."""
        ratio = value / against.value if against and against.value else None
        met = meets(value, goal) if goal else None
        return cls(id=name, value=value, unit=unit, interval=interval, against=against, ratio=ratio, goal=goal, met=met)


class BenchmarkResult(Value):
    """One run of one benchmark, as ``bench/results/NAME.json`` holds it. ``groups`` sum up many runs."""

    name: str
    command: str
    commit: str
    machine: dict[str, str]
    figures: tuple[Figure, ...]
    groups: tuple[dict[str, Any], ...] = ()
    runs: tuple[dict[str, Any], ...] = ()


class Change(Value):
    """One figure in two results; ``None`` where a result lacks it."""

    id: str
    unit: str
    before: float | None
    after: float | None
    goal: str | None
    apart: bool | None
    """Do the intervals exclude each other? ``None`` where one of them has none."""


def meets(value: float, goal: str) -> bool:
    """Does the value hold a goal such as ``<= 6``? ValueError for a goal of another form."""
    match = _GOAL.fullmatch(goal.strip())
    if match is None:
        raise ValueError(f"{goal!r} is not a goal: write for example '<= 6'")
    bound = float(match[2])
    return {"<=": value <= bound, ">=": value >= bound, "<": value < bound, ">": value > bound}.get(
        match[1], value == bound
    )


def compare(before: BenchmarkResult, after: BenchmarkResult) -> tuple[Change, ...]:
    """Every figure of either result, in the order of ``after``, then those that are gone."""
    old = {figure.id: figure for figure in before.figures}
    new = {figure.id: figure for figure in after.figures}
    names = [*new, *(name for name in old if name not in new)]
    return tuple(_change(name, old.get(name), new.get(name)) for name in names)


def _change(name: str, old: Figure | None, new: Figure | None) -> Change:
    known = new or old
    assert known is not None  # noqa: S101 - a name comes from one of the two
    apart = None
    if old and new and old.interval and new.interval:
        apart = old.interval[1] < new.interval[0] or new.interval[1] < old.interval[0]
    return Change(
        id=name,
        unit=known.unit,
        before=old.value if old else None,
        after=new.value if new else None,
        goal=known.goal,
        apart=apart,
    )
