"""The open-loop sender: one thread, one epoll, every request sent when its time has come.

It keeps its thread to itself while a load lasts: no greenlet, callback framework or object per request on the way of
the bytes. A request costs one ``send``, one ``recv`` and a few dictionary operations.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from tuner.load.arrivals import schedule
from tuner.load.call import CallScript
from tuner.load.codec import Answered, MalformedAnswerError, Script
from tuner.load.connection import OUT, Connection, Pool, fault, is_own, wait_readable
from tuner.load.exchange import HttpScript
from tuner.load.order import Order
from tuner.load.outcome import Outcomes, Together
from tuner.load.stream import StreamScript
from tuner.load.tally import Observation

__all__ = ["CancelledLoadError", "Sender"]

SCRIPTS: dict[str, Callable[[], Script]] = {"http": HttpScript, "grpc": CallScript, "stream": StreamScript}
START_DELAY = 0.005
LOOK = 0.02
"""Seconds between looks at deadlines and hopelessness."""
BURST = 16
"""Requests sent in a row before answers are read again."""
EVENTS = 256
RECEIVE = 65_536
GIVE_UP = 1.0
"""Seconds that a load which ended early waits for open answers, or twice the largest bound where that is more."""


class CancelledLoadError(Exception):
    """The one who asked for the load is gone."""


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
    """One order under way. Times run from the start of the load; requests are known by their place in the schedule."""

    def __init__(self, pool: Pool, order: Order, cancel: int | None, together: Together) -> None:
        self._pool = pool
        self._order = order
        self._cancel = cancel
        times = schedule(order.arrivals, order.count, order.lead_count, order.rate, order.seed)
        self._outcomes = Outcomes(order, times, together)
        self._times = self._outcomes.times
        self._end = len(self._times)
        self._next = 0
        self._oldest = 0
        self._active: dict[int, Connection] = {}
        self._waiting: deque[int] = deque()
        self._opening: Connection | None = None
        self._opened = 0.0
        self._buffer = 2 * max(map(len, order.payloads)) + 4096
        self._ended_early = False
        self._give_up = float("inf")

    def run(self) -> tuple[Observation, float]:
        """Until every request is answered or has failed."""
        start = self._order.start
        self._zero = zero = time.perf_counter() + START_DELAY if start is None else start
        look = 0.0
        while True:
            now = time.perf_counter() - zero
            if self._waiting:
                self._send_waiting()
            self._send_due(now)
            if now >= look:
                self._look(now)
                look = now + LOOK
            if self._next >= self._end and not self._outcomes.open:
                break
            self._receive(look if self._next >= self._end else min(self._times[self._next], look))
        return self._outcomes.observation(self._next, ended_early=self._ended_early), time.perf_counter() - zero

    def _send_due(self, now: float) -> None:
        times, outcomes, end = self._times, self._outcomes, min(self._end, self._next + BURST)
        while self._next < end and times[self._next] <= now:
            index = self._next
            self._next = index + 1
            outcomes.open += 1
            if self._has_room():
                outcomes.late[index] = now - times[index]
                self._dispatch(index)
            else:
                self._waiting.append(index)
            now = time.perf_counter() - self._zero

    def _has_room(self) -> bool:
        """May a request be sent? Where only a connection is lacking and allowed, it is opened."""
        if len(self._active) >= self._order.outstanding:
            return False
        return bool(self._pool.free) or self._opening is None

    def _send_waiting(self) -> None:
        """There is room again: the requests that wait for it take it, oldest first."""
        while self._waiting and self._has_room():
            index = self._waiting.popleft()
            if not self._outcomes.resolved[index]:
                self._dispatch(index)

    def _dispatch(self, index: int) -> None:
        free = self._pool.free
        connection = free[-1] if free else self._open(index)
        if connection is None:
            return
        codec = connection.codec
        data = codec.ask(index)
        self._active[index] = connection
        if not codec.room:
            free.pop()
            connection.free = False
        self._write(connection, data)

    def _open(self, index: int) -> Connection | None:
        """A connection for the request, ``None`` where it has failed by that, or waits for the server's greeting."""
        try:
            connection = self._pool.open(self._buffer)
            if greeting := connection.codec.greet():
                connection.write(greeting)
        except OSError as error:
            if is_own(error):
                raise
            self._outcomes.lost(index, fault(error), time.perf_counter() - self._zero)
            return None
        self._pool.settle(connection)
        if connection.free:
            return connection
        self._opening, self._opened = connection, time.perf_counter() - self._zero
        self._outcomes.late[index] = -1.0
        self._waiting.appendleft(index)
        return None

    def _write(self, connection: Connection, data: bytes) -> None:
        try:
            connection.write(data)
        except OSError as error:
            self._lose(connection, fault(error))
            return
        if connection.unsent is not None:
            self._pool.settle(connection)

    def _receive(self, until: float) -> None:
        """Read what has come; wait for it until the given time."""
        pool = self._pool
        wait = until - (time.perf_counter() - self._zero)
        if wait > 0 and not wait_readable([pool.poll], [], [], wait)[0]:
            return
        events = pool.poll.poll(0, EVENTS)
        now = time.perf_counter() - self._zero
        for fd, mask in events:
            connection = pool.connections.get(fd)
            if connection is None:
                if fd == self._cancel:
                    raise CancelledLoadError
            elif mask & ~OUT:
                self._read(connection, now)
            else:
                self._flush(connection)

    def _flush(self, connection: Connection) -> None:
        try:
            connection.flush()
        except OSError as error:
            self._lose(connection, fault(error))
            return
        self._pool.settle(connection)

    def _read(self, connection: Connection, now: float) -> None:
        codec = connection.codec
        try:
            data = connection.receive(RECEIVE)
            answers = codec.feed(data, now) if data else codec.end()
        except BlockingIOError:
            return
        except MalformedAnswerError:
            self._lose(connection, "malformed", now)
            return
        except OSError as error:
            self._lose(connection, fault(error), now)
            return
        if answers:
            self._answered(answers, now)
        if not data:
            self._lose(connection, "reset", now)
        elif (answers or codec.owed or not connection.free) and self._settled_debt(connection):
            self._keep(connection)

    def _settled_debt(self, connection: Connection) -> bool:
        """Send what the protocol itself wants sent; False where the connection is lost by that."""
        codec = connection.codec
        if codec.owed:
            owed, codec.owed = codec.owed, b""
            self._write(connection, owed)
        return connection.fd in self._pool.connections

    def _answered(self, answers: Sequence[Answered], now: float) -> None:
        for index, answer in answers:
            del self._active[index]
            self._outcomes.answered(index, answer, now)

    def _keep(self, connection: Connection) -> None:
        """What becomes of a connection after an answer, or its server's greeting."""
        codec = connection.codec
        if not codec.asked() and not (codec.lasting and connection.unsent is None):
            self._forget(connection)
            return
        self._pool.settle(connection)
        if connection is self._opening and connection.free:
            self._opening = None

    def _forget(self, connection: Connection) -> None:
        self._pool.drop(connection)
        if connection is self._opening:
            self._opening = None

    def _lose(self, connection: Connection, kind: str, now: float | None = None) -> None:
        """The connection broke, under its requests or before one that waits for it could be asked."""
        lost = list(connection.codec.asked())
        for index in lost:
            del self._active[index]
        if connection is self._opening:
            lost.extend(self._waiting_longest())
        self._forget(connection)
        now = time.perf_counter() - self._zero if now is None else now
        for index in lost:
            self._outcomes.lost(index, kind, now)

    def _waiting_longest(self) -> Sequence[int]:
        """The request that waits the longest, taken from those that wait."""
        while self._waiting:
            index = self._waiting.popleft()
            if not self._outcomes.resolved[index]:
                return (index,)
        return ()

    def _look(self, now: float) -> None:
        """Fail what has passed its deadline, oldest first, and see whether going on is worth it."""
        deadline = now - self._order.timeout
        kind = "timeout"
        if now >= self._give_up:
            deadline, kind = now, "abandoned"
        times, resolved = self._times, self._outcomes.resolved
        while self._oldest < self._next and (resolved[self._oldest] or times[self._oldest] <= deadline):
            if not resolved[self._oldest]:
                self._expire(self._oldest, now, kind)
            self._oldest += 1
        if self._opening is not None and self._opened <= deadline:
            self._forget(self._opening)
        due = slice(self._oldest, self._next)
        if not self._ended_early and self._outcomes.hopeless(now, due, all_due=self._next >= self._end):
            self._ended_early = True
            self._end = self._next
            self._give_up = now + max(GIVE_UP, 2 * max(self._order.bounds, default=0.0))

    def _expire(self, index: int, now: float, kind: str) -> None:
        connection = self._active.get(index)
        if connection is None:
            self._outcomes.lost(index, kind, now)
        elif connection.codec.cancel(index):
            del self._active[index]
            self._outcomes.lost(index, kind, now)
            if self._settled_debt(connection):
                self._keep(connection)
        else:
            self._lose(connection, kind, now)
