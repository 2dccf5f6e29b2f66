"""The open-loop sender: one thread, one epoll, every request sent when its time has come.

It keeps its thread to itself while a load lasts: no greenlet, callback framework or object per request on the way of
the bytes. A request costs one ``send``, one ``recv`` and a few dictionary operations.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from tuner.load.arrivals import schedule
from tuner.load.codec import Script
from tuner.load.connection import Pool
from tuner.load.exchange import HttpScript
from tuner.load.multiplex import CallScript
from tuner.load.order import Order
from tuner.load.outcome import Outcomes, Together
from tuner.load.stream import StreamScript
from tuner.load.tally import Observation
from tuner.load.traffic import CancelledLoadError, Traffic

__all__ = ["CancelledLoadError", "Sender"]

SCRIPTS: dict[str, Callable[[], Script]] = {"http": HttpScript, "grpc": CallScript, "stream": StreamScript}
START_DELAY = 0.005
LOOK = 0.02
"""Seconds between looks at deadlines and hopelessness."""
BURST = 16
"""Requests sent in a row before answers are read again."""
GIVE_UP = 1.0
"""Seconds that a load which ended early waits for open answers, or twice the largest bound where that is more."""


class Sender:
    """Sends orders to one server at a time; its connections outlive an order where the server lets them."""

    def __init__(self, cancel: int | None = None, together: Together = tuple) -> None:
        """``cancel``: file descriptor that becomes readable when a load under way shall end.

        ``together`` is given this sender's counts (failures, then requests over each bound) now and then, and returns
        the sums over all the senders of a load: those tell whether it is hopeless.
        """
        self._cancel = cancel
        self._together = together
        self._pool = Pool(cancel)
        self._served: tuple[str, int, str] | None = None
        self._script: Script = HttpScript()

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    def run(self, order: Order) -> tuple[Observation, float]:
        """Send the order; returns when every request is answered or has failed: what was seen, seconds elapsed.

        CancelledLoadError; OSError where this machine is at its end.
        """
        served = (order.host, order.port, order.protocol)
        if served != self._served:
            self._script, self._served = SCRIPTS[order.protocol](), served
        order = _own(order)
        self._script.begin(order.payloads, order.outstanding)
        self._pool.serve(order.host, order.port, self._script)
        return _Load(self._pool, order, self._cancel, self._together).run()


def _own(order: Order) -> Order:
    """The order with its payloads in the turn in which this worker sends them."""
    turn = range(order.shard, order.shard + order.shards * len(order.payloads), order.shards)
    payloads, lengths = order.payloads, order.answer_lengths
    return replace(
        order,
        payloads=tuple(payloads[number % len(payloads)] for number in turn),
        answer_lengths=tuple(lengths[number % len(lengths)] for number in turn),
    )


class _Load:
    """The schedule of one order under way. Times run from the start of the load, in seconds."""

    def __init__(self, pool: Pool, order: Order, cancel: int | None, together: Together) -> None:
        self._order = order
        times = schedule(order.arrivals, order.count, order.lead_count, order.rate, order.seed)
        self._outcomes = Outcomes(order, times, together)
        self._traffic = Traffic(pool, order, self._outcomes, cancel)
        self._times = self._outcomes.times
        self._end = len(self._times)
        self._next = 0
        self._oldest = 0
        self._ended_early = False
        self._give_up = float("inf")

    def run(self) -> tuple[Observation, float]:
        """Until every request is answered or has failed."""
        start, traffic, outcomes, times = self._order.start, self._traffic, self._outcomes, self._times
        self._zero = zero = time.perf_counter() + START_DELAY if start is None else start
        traffic.begin(zero)
        look = 0.0
        while True:
            now = time.perf_counter() - zero
            if traffic.waiting:
                traffic.send_waiting()
            self._send_due(now)
            if now >= look:
                self._look(now)
                look = now + LOOK
            if self._next >= self._end and not outcomes.open:
                break
            traffic.receive(look if self._next >= self._end else min(times[self._next], look))
        return outcomes.observation(self._next, ended_early=self._ended_early), time.perf_counter() - zero

    def _send_due(self, now: float) -> None:
        times, zero, send = self._times, self._zero, self._traffic.send
        end = min(self._end, self._next + BURST)
        while self._next < end and times[self._next] <= now:
            index = self._next
            self._next = index + 1
            send(index, now)
            now = time.perf_counter() - zero

    def _look(self, now: float) -> None:
        """Fail what has passed its deadline, oldest first, and see whether going on is worth it."""
        deadline = now - self._order.timeout
        kind = "timeout"
        if now >= self._give_up:
            deadline, kind = now, "abandoned"
        times, resolved = self._times, self._outcomes.resolved
        while self._oldest < self._next and (resolved[self._oldest] or times[self._oldest] <= deadline):
            if not resolved[self._oldest]:
                self._traffic.expire(self._oldest, now, kind)
            self._oldest += 1
        self._traffic.expire_opening(deadline)
        due = slice(self._oldest, self._next)
        if not self._ended_early and self._outcomes.hopeless(now, due, all_due=self._next >= self._end):
            self._ended_early = True
            self._end = self._next
            self._give_up = now + max(GIVE_UP, 2 * max(self._order.bounds, default=0.0))
