"""Has the machine changed its speed? A reference against the level of the steady time before it.

Source of the rule: Student's prediction for one new value after m old ones, on logarithms,
``t(1 - a / 2, n) * s * sqrt(1 + 1 / m)``; ``a`` is the error of a whole campaign divided by its looks (Bonferroni), so
that looking often costs nothing. ``s`` is the noise from check to check, seconds to minutes apart: references right
after one another agree far better than that and would claim changes that are none. It is robust (medians of deviations
and of successive differences), so that a real change does not hide the next one, and starts from a prior.

One odd reference is not enough: it is taken again, and each has to lie beyond the limit on the same side, so that a
short disturbance or a heavy tail does not count as a change.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import pairwise

from pydantic import Field
from scipy.special import stdtrit

from tuner.measurement.model import Interval
from tuner.value import Value

__all__ = ["AGAIN", "FALSE_MARKS", "MATERIAL", "Level", "change", "odd", "percent"]

AGAIN = 3
"""References that a change needs, the odd one included."""
FALSE_MARKS = 0.01
"""Error of a whole campaign: the probability that pure noise looks like a change at least once."""
MATERIAL = math.log(1.025)
"""A smaller change is none: identical runs on shared machines differ by a median of 2.5 %."""
_PRIOR = 0.04
"""Noise that is assumed before there are checks to tell it, worth that many checks:"""
_PRIOR_CHECKS = 6
_KEPT = 40
"""Checks that are remembered: an hour or so of trials."""
_NORMAL = 1.4826
"""Median absolute deviation to standard deviation, of a normal distribution."""


class Level(Value):
    """The machine's speed in one steady time. ``speeds``: one value a check, in rounds a second."""

    speeds: tuple[float, ...] = Field(min_length=1)
    before: tuple[float, ...] = ()
    """The checks of earlier levels: they, too, tell how noisy this machine is."""

    @property
    def speed(self) -> float:
        """The median."""
        return statistics.median(self.speeds)

    def after(self, speed: float) -> Level:
        """The level once a check was found to belong to it."""
        return self.model_copy(update={"speeds": (*self.speeds, speed)[-_KEPT:]})

    def left_for(self, speed: float) -> Level:
        """A new level that begins with this check."""
        return Level(speeds=(speed,), before=(*self.before, *self.speeds)[-_KEPT:])

    def noise(self) -> tuple[float, int]:
        """Standard deviation of a check's logarithm, and how many degrees of freedom it is worth."""
        logs = [math.log(speed) for speed in (*self.before, *self.speeds)]
        own = [math.log(speed) for speed in self.speeds]
        # Without the largest step: a change that was found once must not count as noise.
        moves = sorted(abs(after - before) for before, after in pairwise(logs))[:-1]
        steps = _NORMAL * _middle(moves) / math.sqrt(2)
        spread = _NORMAL * _middle([abs(each - statistics.median(own)) for each in own])
        count = len(logs) - 1
        variance = (_PRIOR_CHECKS * _PRIOR**2 + count * max(steps, spread) ** 2) / (_PRIOR_CHECKS + count)
        return math.sqrt(variance), _PRIOR_CHECKS + count


def odd(level: Level, speed: float) -> bool:
    """Whether one reference is worth another look: outside of the 95 % prediction, and far enough to matter."""
    return abs(math.log(speed / level.speed)) > max(_limit(level, 0.05), MATERIAL)


def change(level: Level, speeds: Sequence[float], looks: int) -> Interval | None:
    """The relative change of speed (0.1 is 10 % faster) with its interval; ``None`` where there is none.

    ``speeds`` are the newest references, ``looks`` how often a campaign asks this in all.
    """
    limit = _limit(level, FALSE_MARKS / max(looks, 1))
    logs = [math.log(speed / level.speed) for speed in speeds]
    weakest = min(logs, key=abs)
    same_way = all((each > 0) == (weakest > 0) for each in logs)
    if not same_way or abs(weakest) <= max(limit, MATERIAL):
        return None
    middle = statistics.median(logs)
    return Interval(value=math.expm1(middle), low=math.expm1(middle - limit), high=math.expm1(middle + limit))


def percent(change: Interval) -> str:
    """``-18 % (-21 to -15 %)``."""
    value, low, high = (f"{part * 100:+.0f}" for part in (change.value, change.low, change.high))
    return f"{value} % ({low} to {high} %)"


def _limit(level: Level, error: float) -> float:
    """How far a reference lies from the level by noise alone, but for that error."""
    noise, freedom = level.noise()
    return float(stdtrit(freedom, 1 - error / 2)) * noise * math.sqrt(1 + 1 / len(level.speeds))


def _middle(values: Sequence[float]) -> float:
    return statistics.median(values) if values else 0.0
