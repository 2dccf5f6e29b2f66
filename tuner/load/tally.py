"""From what happened to each request to the counts that a result reports."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tuner.load.histogram import encode_seconds
from tuner.load.tail import Tail, Throughput, tail_over, throughput

__all__ = ["Observation", "Tally", "TokenObservation", "TokenTally", "WindowTally", "tally"]

WINDOWS = 10
LENGTHS = 8

Floats = npt.NDArray[np.float64]
TokenBounds = tuple[float | None, float | None]
"""Seconds to the first token, and between two tokens in the mean of an answer."""


@dataclass(frozen=True, slots=True)
class TokenObservation:
    """The tokens of streamed answers, one row for each request of an ``Observation``. Seconds from the scheduled time.

    ``first`` and ``last`` token are negative where a request failed, ``count`` is 0 there. ``gaps`` are the times
    between neighbouring tokens, of all answers, in any order.
    """

    first: Floats
    last: Floats
    count: npt.NDArray[np.int64]
    gaps: Floats


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
    tokens: TokenObservation | None = None


@dataclass(frozen=True, slots=True)
class TokenTally:
    """The fields of a ``TokenResult``."""

    first_token: str
    gap: str
    count: int
    rate: float
    good: int


@dataclass(frozen=True, slots=True)
class WindowTally:
    """Counts of one slice of the schedule."""

    scheduled: int
    over: tuple[int, ...]
    latency: float


@dataclass(frozen=True, slots=True)
class Tally:
    """The fields of a ``LoadResult``."""

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
    tails: tuple[Tail, ...]
    throughput: Throughput | None
    tokens: TokenTally | None = None


def _windows(seen: Observation, counted: Floats, bounds: tuple[float, ...], duration: float) -> tuple[WindowTally, ...]:
    slot = np.clip(((seen.scheduled - seen.first) / duration * WINDOWS).astype(np.int64), 0, WINDOWS - 1)
    found = []
    for number in range(WINDOWS):
        latency = counted[slot == number]
        over = tuple(int((latency > bound).sum()) for bound in bounds)
        found.append(WindowTally(len(latency), over, float(latency.mean()) if len(latency) else 0.0))
    return tuple(found)


def _tokens(seen: Observation, bounds: TokenBounds, span: float) -> TokenTally | None:
    """A request is good where its first token, and the mean gap between its tokens, are within the bounds given."""
    tokens = seen.tokens
    if tokens is None:
        return None
    good = seen.latency >= 0
    first, mean_gap = tokens.first[good], ((tokens.last - tokens.first) / np.maximum(tokens.count - 1, 1))[good]
    within = np.ones(len(first), dtype=bool)
    for values, bound in zip((first, mean_gap), bounds, strict=True):
        if bound is not None:
            within &= values <= bound
    count = int(tokens.count[good].sum())
    return TokenTally(encode_seconds(first), encode_seconds(tokens.gaps), count, count / span, int(within.sum()))


def tally(
    seen: Observation,
    *,
    planned: int,
    rate: float,
    timeout: float,
    bounds: tuple[float, ...],
    elapsed: float,
    token_bounds: TokenBounds = (None, None),
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
        tails=tuple(tail for bound in bounds if (tail := tail_over(bound, seen.latency, failed))),
        throughput=throughput((seen.scheduled + seen.latency)[~failed]),
        tokens=_tokens(seen, token_bounds, span),
    )
