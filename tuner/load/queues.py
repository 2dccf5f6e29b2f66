"""Queues in simulated time: when each request of a schedule is done, first come, first served.

Two of the three are computed without a loop over requests. One server obeys Lindley's recursion,
done[n] = max(arrival[n], done[n-1]) + work[n], which is a running maximum once the sum of the work is taken off. Where
every request is the same work, c servers finish in the order in which they began, so request n is the one after
request n - c on its server: c Lindley recursions side by side. Only unequal work on several servers needs the ordered
list of free servers (Kiefer and Wolfowitz, 1955), and batches need a loop over batches.

A server whose speed changes is the same queue on another clock: the work that it could have done so far. ``Pace``
turns moments into that clock and back.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

__all__ = ["Floats", "Pace", "alike", "batched", "unlike"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a server works, piecewise constant: ``done[i]`` seconds of work could be done by ``moments[i]``.

    Before the first moment and after the last it works at its full speed of 1.
    """

    moments: Floats
    done: Floats

    @classmethod
    def of(cls, begins: Floats, speeds: Floats) -> Self:
        """The pace with ``speeds[i]`` from ``begins[i]`` on until the next; the last one is 1. Speeds are 0 or more."""
        done = np.concatenate([[0.0], np.cumsum(np.diff(begins) * speeds[:-1])])
        return cls(begins, done + begins[0])

    def work(self, moments: Floats) -> Floats:
        """Work that could be done by each moment."""
        inside = np.interp(moments, self.moments, self.done)
        ahead = np.minimum(moments - self.moments[0], 0.0) + np.maximum(moments - self.moments[-1], 0.0)
        return np.asarray(inside + ahead)

    def moment(self, work: Floats) -> Floats:
        """The first moment by which each work could be done."""
        last = len(self.done) - 1
        after = np.clip(np.searchsorted(self.done, work, side="left"), 1, last)
        begin, end = self.done[after - 1], self.done[after]
        share = np.clip((work - begin) / np.where(end > begin, end - begin, 1.0), 0.0, 1.0)
        inside = self.moments[after - 1] + share * (self.moments[after] - self.moments[after - 1])
        inside = np.where(work > self.done[last], self.moments[last] + work - self.done[last], inside)
        return np.asarray(inside + np.minimum(work - self.done[0], 0.0))


def alike(arrivals: Floats, work: float, servers: int) -> Floats:
    """When each request is done where every one is the same work; arrivals ascending."""
    done = np.empty(len(arrivals))
    for first in range(min(servers, len(arrivals))):
        mine = arrivals[first::servers]
        behind = work * np.arange(len(mine))
        done[first::servers] = np.maximum.accumulate(mine - behind) + behind + work
    return done


def unlike(arrivals: Floats, work: Floats, servers: int) -> Floats:
    """When each request is done where each is work of its own; arrivals ascending."""
    if servers == 1:
        total = np.cumsum(work)
        return np.asarray(np.maximum.accumulate(arrivals - total + work) + total)
    free = [-np.inf] * servers
    done = []
    for arrival, takes in zip(arrivals.tolist(), work.tolist(), strict=True):
        ready = free[0]
        end = (ready if ready > arrival else arrival) + takes
        heapq.heapreplace(free, end)
        done.append(end)
    return np.array(done)


def batched(arrivals: Floats, work: list[float], size: int, servers: int, factors: Floats | None = None) -> Floats:
    """When each request is done on servers that take up to ``size`` waiting requests at once; arrivals ascending.

    ``work[k]`` is what a batch of k is, times its own factor where there are any (one for each batch suffices, at most
    as many as requests).
    """
    times = arrivals.tolist()
    count = len(times)
    free = [-np.inf] * servers
    ends: list[float] = []
    sizes: list[int] = []
    scale = None if factors is None else factors.tolist()
    first = 0
    while first < count:
        ready, arrival = free[0], times[first]
        begin = ready if ready > arrival else arrival
        last = bisect_right(times, begin, first, min(first + size, count))
        takes = work[last - first]
        end = begin + (takes if scale is None else takes * scale[len(ends)])
        heapq.heapreplace(free, end)
        ends.append(end)
        sizes.append(last - first)
        first = last
    return np.repeat(np.array(ends), sizes)
