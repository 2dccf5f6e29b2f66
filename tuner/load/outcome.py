"""What became of each request of a load while it lasts, and whether going on with it is worth it."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from tuner.load.codec import Answer, TokenTimes
from tuner.load.order import Order
from tuner.load.tally import Observation, TokenObservation

__all__ = ["Outcomes", "Together"]

Together = Callable[[Sequence[int]], Sequence[int]]
"""Takes the counts of one sender, returns their sums over all the senders of a load."""


class Outcomes:
    """Times run from the start of the load, in seconds; requests are known by their place in the schedule.

    ``latency`` and ``late`` are negative until they are known, as in ``Observation``.
    """

    __slots__ = (
        "_answer_lengths",
        "_first",
        "_fresh",
        "_gaps",
        "_last",
        "_lead",
        "_order",
        "_over",
        "_schedule",
        "_together",
        "_tokens",
        "failed",
        "failures",
        "finished",
        "late",
        "latency",
        "lengths",
        "open",
        "resolved",
        "times",
    )

    def __init__(self, order: Order, times: npt.NDArray[np.float64], together: Together = tuple) -> None:
        self._together = together
        self._order = order
        self._lead = order.lead_count
        self._answer_lengths = order.answer_lengths
        count = len(times)
        self.times: list[float] = times.tolist()
        self._schedule = times
        self.latency = array("d", [-1.0]) * count
        self.late = array("d", [-1.0]) * count
        self.resolved = bytearray(count)
        self.open = 0
        self.failed: Counter[str] = Counter()
        self.failures = 0
        self.lengths: Counter[int] = Counter()
        self.finished = 0.0
        self._fresh: list[float] = []
        self._over = [0] * len(order.bounds)
        streams = order.protocol == "stream"
        self._first = array("d", [-1.0]) * (count if streams else 0)
        self._last = array("d", [-1.0]) * (count if streams else 0)
        self._tokens = array("q", [0]) * (count if streams else 0)
        self._gaps = array("d")

    def answered(self, index: int, answer: Answer, now: float) -> None:
        """The server answered."""
        if answer.fault is not None:
            self.lost(index, answer.fault, now)
            return
        length, lengths = answer.length, self._answer_lengths
        expected = lengths[index % len(lengths)]
        if expected is not None and expected != length:
            self.lost(index, "length", now)
            return
        self.resolved[index] = 1
        self.open -= 1
        self.finished = now
        self.latency[index] = latency = now - self.times[index]
        if index >= self._lead:
            self.lengths[length] += 1
            self._fresh.append(latency)
            if answer.tokens is not None:
                self._streamed(index, answer.tokens)

    def lost(self, index: int, kind: str, now: float) -> None:
        """The request failed."""
        self.resolved[index] = 1
        self.open -= 1
        self.finished = now
        if index >= self._lead:
            self.failed[kind] += 1
            self.failures += 1

    def _streamed(self, index: int, tokens: TokenTimes) -> None:
        begin, moments = self.times[index], tokens.moments
        self._first[index] = moments[0] - begin
        self._last[index] = moments[-1] - begin
        self._tokens[index] = tokens.count
        self._gaps.extend(later - earlier for earlier, later in pairwise(moments))

    def hopeless(self, now: float, due: slice, *, all_due: bool) -> bool:
        """Whether it is certain that more requests miss a bound, or fail, than the order allows.

        No request that fell due before ``due`` is open any more; ``all_due`` where none is to come.
        """
        order = self._order
        fresh, self._fresh = np.array(self._fresh), []
        counted = slice(max(due.start, self._lead), max(due.stop, self._lead))
        ages = now - self._schedule[counted][np.frombuffer(self.resolved, dtype=np.uint8)[counted] == 0]
        missed = []
        for number, bound in enumerate(order.bounds):
            self._over[number] += int((fresh > bound).sum())
            missed.append(self._over[number] + self.failures + int((ages > bound).sum()))
        failures, *missed = self._together((self.failures, *missed))
        if order.hopeless_failures is not None and failures > order.hopeless_failures:
            return True
        if order.hopeless_after is None or all_due:
            return False
        return any(over > limit for over, limit in zip(missed, order.hopeless_after, strict=True))

    def observation(self, fell_due: int, *, ended_early: bool) -> Observation:
        """The counted requests among the first ``fell_due`` of the schedule."""
        counted = slice(self._lead, fell_due)
        return Observation(
            scheduled=self._schedule[counted],
            latency=np.array(self.latency[counted]),
            sent_late=np.array(self.late[counted]),
            failed=self.failed,
            lengths=self.lengths,
            first=self._lead / self._order.rate,
            finished=self.finished,
            ended_early=ended_early,
            tokens=self._token_times(counted),
        )

    def _token_times(self, counted: slice) -> TokenObservation | None:
        if self._order.protocol != "stream":
            return None
        return TokenObservation(
            first=np.array(self._first[counted]),
            last=np.array(self._last[counted]),
            count=np.array(self._tokens[counted], dtype=np.int64),
            gaps=np.array(self._gaps),
        )
