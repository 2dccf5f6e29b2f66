"""Has the machine changed its speed? References against the level of the steady time before them.

Source of the rule: Student's prediction for the mean of k new values after m old ones, on logarithms,
``t(1 - a / 2, m - 1) * s * sqrt(1 / m + 1 / k)``; ``a`` is the error for a whole campaign divided by its looks
(Bonferroni), so that looking often costs nothing. One odd reference is not enough: it is taken again, and every one of
the new values has to lie beyond the same limit, so that a short disturbance or a heavy tail does not count as a change.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from pydantic import Field
from scipy.special import stdtrit

from tuner.measurement.model import Interval
from tuner.value import Value

__all__ = ["AGAIN", "FALSE_MARKS", "FIRST", "MATERIAL", "Level", "change", "odd", "percent"]

FIRST = 8
"""References that make a first level."""
AGAIN = 3
"""References that a change needs, the odd one included."""
FALSE_MARKS = 0.01
"""Error of a whole campaign: the probability that pure noise looks like a change at least once."""
MATERIAL = math.log(1.025)
"""A smaller change is none: identical runs on shared machines differ by a median of 2.5 %."""
_KEPT = 40
"""References that a level remembers: an hour or so of trials."""


class Level(Value):
    """The machine's speed in one steady time: the references that were taken in it, in rounds a second."""

    speeds: tuple[float, ...] = Field(min_length=2)

    @property
    def speed(self) -> float:
        """The geometric mean."""
        return math.exp(statistics.fmean(map(math.log, self.speeds)))

    def after(self, *speeds: float) -> Level:
        """The level once these references were found to belong to it."""
        return Level(speeds=(*self.speeds, *speeds)[-_KEPT:])


def odd(level: Level, speed: float) -> bool:
    """Whether one reference is worth another look: outside of the 95 % prediction, and far enough to matter."""
    return abs(math.log(speed / level.speed)) > max(_limit(level, 1, 0.05), MATERIAL)


def change(level: Level, speeds: Sequence[float], looks: int) -> Interval | None:
    """The relative change of speed (0.1 is 10 % faster) with its interval; ``None`` where there is none.

    ``speeds`` are the newest references, ``looks`` how often a campaign asks this in all.
    """
    limit = _limit(level, len(speeds), FALSE_MARKS / max(looks, 1))
    logs = [math.log(speed / level.speed) for speed in speeds]
    weakest = min(logs, key=abs)
    same_way = all(math.copysign(1, each) == math.copysign(1, weakest) for each in logs)
    if not same_way or abs(weakest) <= max(limit, MATERIAL):
        return None
    mean = statistics.fmean(logs)
    return Interval(value=math.expm1(mean), low=math.expm1(mean - limit), high=math.expm1(mean + limit))


def percent(change: Interval) -> str:
    """``-18 % (-21 to -15 %)``."""
    value, low, high = (f"{part * 100:+.0f}" for part in (change.value, change.low, change.high))
    return f"{value} % ({low} to {high} %)"


def _limit(level: Level, count: int, error: float) -> float:
    """How far the mean of ``count`` new references lies from the level by noise alone, but for that error."""
    logs = [math.log(speed) for speed in level.speeds]
    student = float(stdtrit(len(logs) - 1, 1 - error / 2))
    return student * statistics.stdev(logs) * math.sqrt(1 / len(logs) + 1 / count)
