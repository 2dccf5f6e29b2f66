"""The requests of a load on their way: which connection each one takes, and what becomes of both.

Times run from the start of the load, in seconds; requests are known by their place in the schedule.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence

from tuner.load.codec import MalformedAnswerError
from tuner.load.connection import OUT, Connection, Pool, fault, is_own, wait_readable
from tuner.load.order import Order
from tuner.load.outcome import Outcomes

__all__ = ["CancelledLoadError", "Traffic"]

EVENTS = 1024
RECEIVE = 65_536


class CancelledLoadError(Exception):
    """The one who asked for the load is gone."""


class Traffic:
    """Sends requests when it is told to, at once or as soon as there is room; ``waiting`` are those without.

    A request takes a connection that has room, or a new one where no more than ``outstanding`` are under way. Where a
    server greets first (HTTP/2), requests wait for its greeting instead of opening one connection after another.
    """

    def __init__(self, pool: Pool, order: Order, outcomes: Outcomes, cancel: int | None) -> None:
        self.waiting: deque[int] = deque()
        self._pool = pool
        self._outcomes = outcomes
        self._cancel = cancel
        self._outstanding = order.outstanding
        self._buffer = 2 * max(map(len, order.payloads)) + 4096
        self._active: dict[int, Connection] = {}
        self._opening: Connection | None = None
        self._opened = 0.0
        self._zero = 0.0

    def begin(self, zero: float) -> None:
        """The load starts at that moment of ``time.perf_counter``. Connections closed since the last one are left."""
        self._zero = zero
        self.receive(float("-inf"))

    def send(self, index: int, now: float) -> None:
        """The request is due. It is late by what has passed since, unless it has to wait for a connection."""
        outcomes = self._outcomes
        outcomes.open += 1
        if self._has_room():
            outcomes.late[index] = now - outcomes.times[index]
            self._dispatch(index)
        else:
            self.waiting.append(index)

    def send_waiting(self) -> None:
        """Where there is room again, the requests that wait for it take it, oldest first."""
        while self.waiting and self._has_room():
            index = self.waiting.popleft()
            if not self._outcomes.resolved[index]:
                self._dispatch(index)

    def receive(self, until: float) -> None:
        """Read what has come; wait for it until the given time. CancelledLoadError."""
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
                continue
            if mask & ~OUT:
                self._read(connection, now)
            if mask & OUT and fd in pool.connections:
                self._flush(connection)

    def expire(self, index: int, now: float, kind: str) -> None:
        """Nobody waits for the request any more: it fails."""
        connection = self._active.get(index)
        if connection is None:
            self._outcomes.lost(index, kind, now)
        elif connection.codec.cancel(index):
            del self._active[index]
            self._outcomes.lost(index, kind, now)
            if self._pay(connection):
                self._keep(connection)
        else:
            self._lose(connection, kind, now)

    def expire_opening(self, deadline: float) -> None:
        """Give up a connection opened before the deadline whose server has not greeted."""
        if self._opening is not None and self._opened <= deadline:
            self._forget(self._opening)

    def _has_room(self) -> bool:
        if len(self._active) >= self._outstanding:
            return False
        return bool(self._pool.free) or self._opening is None

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
            self._outcomes.lost(index, fault(error), self._now())
            return None
        self._pool.settle(connection)
        if connection.free:
            return connection
        self._opening, self._opened = connection, self._now()
        self._outcomes.late[index] = -1.0
        self.waiting.appendleft(index)
        return None

    def _now(self) -> float:
        return time.perf_counter() - self._zero

    def _write(self, connection: Connection, data: bytes) -> None:
        try:
            connection.write(data)
        except OSError as error:
            self._lose(connection, fault(error), self._now())
            return
        if connection.unsent is not None:
            self._pool.settle(connection)

    def _flush(self, connection: Connection) -> None:
        try:
            connection.flush()
        except OSError as error:
            self._lose(connection, fault(error), self._now())
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
        for index, answer in answers:
            del self._active[index]
            self._outcomes.answered(index, answer, now)
        if not data:
            self._lose(connection, "reset", now)
        elif (answers or codec.owed or not connection.free) and self._pay(connection):
            self._keep(connection)

    def _pay(self, connection: Connection) -> bool:
        """Send what the protocol itself wants sent; False where the connection is lost by that."""
        codec = connection.codec
        if codec.owed:
            owed, codec.owed = codec.owed, b""
            self._write(connection, owed)
        return connection.fd in self._pool.connections

    def _keep(self, connection: Connection) -> None:
        """What becomes of a connection after an answer, or its server's greeting."""
        codec = connection.codec
        if not codec.asked() and not (codec.lasting and connection.unsent is None):
            self._lose(connection, "reset", self._now())
            return
        self._pool.settle(connection)
        if connection is self._opening and connection.free:
            self._opening = None

    def _lose(self, connection: Connection, kind: str, now: float) -> None:
        """The connection broke, under its requests or before one that waits for it could be asked."""
        lost = list(connection.codec.asked())
        for index in lost:
            del self._active[index]
        if connection is self._opening:
            lost.extend(self._waiting_longest())
        self._forget(connection)
        for index in lost:
            self._outcomes.lost(index, kind, now)

    def _waiting_longest(self) -> Sequence[int]:
        """The request that waits the longest, taken from those that wait."""
        while self.waiting:
            index = self.waiting.popleft()
            if not self._outcomes.resolved[index]:
                return (index,)
        return ()

    def _forget(self, connection: Connection) -> None:
        self._pool.drop(connection)
        if connection is self._opening:
            self._opening = None
