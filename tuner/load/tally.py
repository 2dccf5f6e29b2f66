"""From what happened to each request to the counts that a result reports."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tuner.load.histogram import encode_seconds

__all__ = ["Observation", "Tally", "WindowTally", "tally"]

WINDOWS = 10
LENGTHS = 8

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Observation:
    """The counted requests of one load that fell due, in the order of their schedule. Times in seconds.

    ``latency`` is negative where a request failed; ``sent_late`` is negative where a request was never late because
    it waited for a connection. ``first`` is where the counted part of the schedule begins, ``finished`` when the last
    request was resolved, both on the schedule's clock.
    """

    scheduled: Floats
    latency: Floats
    sent_late: Floats
    failed: Counter[str]
    lengths: Counter[int]
    first: float
    finished: float
    ended_early: bool


@dataclass(frozen=True, slots=True)
class WindowTally:
    """Counts of one slice of the schedule."""

    scheduled: int
    over: tuple[int, ...]
    latency: float


@dataclass(frozen=True, slots=True)
class Tally:
    """The fields of a ``LoadResult``, plain enough for a process that knows nothing but the load."""

    planned: int
    scheduled: int
    answered: int
    failed: dict[str, int]
    over: tuple[int, ...]
    histogram: str
    lateness: str
    offered_rate: float
    answered_rate: float
    elapsed: float
    ended_early: bool
    windows: tuple[WindowTally, ...]
    answer_lengths: dict[int, int]


def _windows(seen: Observation, counted: Floats, bounds: tuple[float, ...], duration: float) -> tuple[WindowTally, ...]:
    slot = np.clip(((seen.scheduled - seen.first) / duration * WINDOWS).astype(np.int64), 0, WINDOWS - 1)
    found = []
    for number in range(WINDOWS):
        latency = counted[slot == number]
        over = tuple(int((latency > bound).sum()) for bound in bounds)
        found.append(WindowTally(len(latency), over, float(latency.mean()) if len(latency) else 0.0))
    return tuple(found)


def tally(
    seen: Observation, *, planned: int, rate: float, timeout: float, bounds: tuple[float, ...], elapsed: float
) -> Tally:
    """Count what was seen. A failed request is over every bound, and stands at the timeout in the histogram."""
    failed = seen.latency < 0
    scheduled = len(seen.latency)
    answered = scheduled - int(failed.sum())
    counted = np.where(failed, np.maximum(timeout, 0.0), seen.latency)
    over = tuple(int(((seen.latency > bound) | failed).sum()) for bound in bounds)
    window = np.where(failed, np.maximum(timeout, max(bounds, default=0.0) * (1 + 1e-9)), counted)
    span = max(seen.finished - seen.first, 1e-9)
    offered = scheduled / max(seen.scheduled[-1] - seen.first, 1.0 / rate) if scheduled and seen.ended_early else rate
    return Tally(
        planned=planned,
        scheduled=scheduled,
        answered=answered,
        failed=dict(sorted(seen.failed.items())),
        over=over,
        histogram=encode_seconds(counted),
        lateness=encode_seconds(seen.sent_late[seen.sent_late >= 0]),
        offered_rate=float(offered),
        answered_rate=answered / span,
        elapsed=elapsed,
        ended_early=seen.ended_early,
        windows=_windows(seen, window, bounds, planned / rate),
        answer_lengths=dict(seen.lengths.most_common(LENGTHS)),
    )
