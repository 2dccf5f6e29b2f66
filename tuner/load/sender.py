"""The open-loop sender: one thread, one epoll, every request sent when its time has come.

It keeps its thread to itself while a load lasts: no greenlet, callback framework or object per request on the way of
the bytes. A request costs one ``send``, one ``recv`` and a few dictionary operations.
"""

from __future__ import annotations

import errno
import select as patched_select
import socket as patched_socket
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

import numpy as np
from gevent.monkey import get_original

from tuner.load.answer import AnswerReader, Head, MalformedAnswerError
from tuner.load.arrivals import schedule
from tuner.load.order import Order
from tuner.load.tally import Observation

__all__ = ["CancelledLoadError", "Sender"]

# Locust patches these modules for gevent; the sender waits for real.
_original: Callable[[str, str], Any] = get_original
epoll: type[patched_select.epoll] = _original("select", "epoll")
wait_readable = _original("select", "select")
RealSocket: type[patched_socket.socket] = _original("socket", "socket")

IN, OUT = patched_select.POLLIN, patched_select.POLLOUT
OWN_FAULTS = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM})
"""The generator's machine is at its end, not the server."""
START_DELAY = 0.005
LOOK = 0.02
"""Seconds between looks at deadlines and hopelessness."""
BURST = 16
"""Requests sent in a row before answers are read again."""
RECEIVE = 262_144
GIVE_UP = 1.0
"""Seconds that a load which ended early waits for open answers, or twice the largest bound where that is more."""


class CancelledLoadError(Exception):
    """The one who asked for the load is gone."""


class Connection:
    """One connection; ``index`` is the request it carries, -1 where it is free."""

    __slots__ = ("fd", "index", "reader", "sock", "unsent")

    def __init__(self, sock: patched_socket.socket, known: dict[bytes, Head]) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.index = -1
        self.unsent: memoryview | None = None
        self.reader = AnswerReader(known)


class Sender:
    """Sends orders to one server at a time; its connections outlive an order where the server lets them."""

    def __init__(self, cancel: int | None = None) -> None:
        """``cancel``: file descriptor that becomes readable when a load under way shall end."""
        self._cancel = cancel
        self._poll = epoll()
        if cancel is not None:
            self._poll.register(cancel, IN)
        self._address = ("", 0)
        self._known: dict[bytes, Head] = {}
        self._connections: dict[int, Connection] = {}
        self._free: list[Connection] = []

    def close(self) -> None:
        """Close every connection."""
        for connection in list(self._connections.values()):
            self._drop(connection)
        self._poll.close()

    def run(self, order: Order) -> tuple[Observation, float]:
        """Send the order; returns when every request is answered or has failed: what was seen, seconds elapsed.

        CancelledLoadError; OSError where this machine is at its end.
        """
        if (order.host, order.port) != self._address:
            for connection in list(self._connections.values()):
                self._drop(connection)
            self._free.clear()
            self._address = (order.host, order.port)
            self._known.clear()
        return _Load(self, order).run()

    def _open(self, largest: int) -> Connection:
        """A new connection, perhaps not yet established. OSError."""
        sock = RealSocket(patched_socket.AF_INET6 if ":" in self._address[0] else patched_socket.AF_INET)
        sock.settimeout(0.0)
        sock.setsockopt(patched_socket.IPPROTO_TCP, patched_socket.TCP_NODELAY, 1)
        sock.setsockopt(patched_socket.SOL_SOCKET, patched_socket.SO_SNDBUF, 2 * largest + 4096)
        try:
            code = sock.connect_ex(self._address)
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, "connect")
        except OSError:
            sock.close()
            raise
        connection = Connection(sock, self._known)
        self._connections[connection.fd] = connection
        self._poll.register(connection.fd, IN)
        return connection

    def _drop(self, connection: Connection) -> None:
        del self._connections[connection.fd]
        self._poll.unregister(connection.fd)
        connection.sock.close()


class _Load:
    """One order under way. Times run from the start of the load; requests are known by their place in the schedule."""

    def __init__(self, sender: Sender, order: Order) -> None:
        self._sender = sender
        self._order = order
        times = schedule(order.arrivals, order.count, order.lead_count, order.rate, order.seed)
        self._times: list[float] = times.tolist()
        self._end = len(self._times)
        self._latency: list[float] = [-1.0] * self._end
        self._late: list[float] = [-1.0] * self._end
        self._resolved = bytearray(self._end)
        self._active: dict[int, Connection] = {}
        self._waiting: deque[int] = deque()
        self._answer_lengths = order.answer_lengths
        self._largest = max(map(len, order.payloads))
        self._next = 0
        self._oldest = 0
        self._open_requests = 0
        self._failed: Counter[str] = Counter()
        self._failures = 0
        self._over = [0] * len(order.bounds)
        self._lengths: Counter[int] = Counter()
        self._ended_early = False
        self._give_up = float("inf")
        self._finished = 0.0

    def run(self) -> tuple[Observation, float]:
        self._zero = zero = time.perf_counter() + START_DELAY
        look = 0.0
        while True:
            now = time.perf_counter() - zero
            if self._waiting:
                self._send_waiting()
            self._send_due(now)
            if now >= look:
                self._look(now)
                look = now + LOOK
            if self._next >= self._end and not self._open_requests:
                break
            until = look if self._next >= self._end else min(self._times[self._next], look)
            self._receive(until)
        return self._seen(), time.perf_counter() - zero

    def _send_due(self, now: float) -> None:
        times, end = self._times, min(self._end, self._next + BURST)
        while self._next < end and times[self._next] <= now:
            index = self._next
            self._next = index + 1
            self._open_requests += 1
            if self._has_room():
                self._late[index] = now - times[index]
                self._dispatch(index)
            else:
                self._waiting.append(index)
            now = time.perf_counter() - self._zero

    def _has_room(self) -> bool:
        sender = self._sender
        return bool(sender._free) or len(sender._connections) < self._order.outstanding

    def _send_waiting(self) -> None:
        """Connections are free again: the requests that wait for one take them, oldest first."""
        while self._waiting and self._has_room():
            index = self._waiting.popleft()
            if not self._resolved[index]:
                self._dispatch(index)

    def _dispatch(self, index: int) -> None:
        sender = self._sender
        try:
            connection = sender._free.pop() if sender._free else sender._open(self._largest)
        except OSError as error:
            if error.errno in OWN_FAULTS:
                raise
            self._resolve(index, time.perf_counter() - self._zero, _kind(error))
            return
        connection.index = index
        self._active[index] = connection
        payloads = self._order.payloads
        self._write(connection, memoryview(payloads[index % len(payloads)]))

    def _write(self, connection: Connection, data: memoryview) -> None:
        try:
            sent = connection.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._lose(connection, _kind(error))
            return
        if sent == len(data):
            if connection.unsent is not None:
                connection.unsent = None
                self._sender._poll.modify(connection.fd, IN)
            return
        if connection.unsent is None:
            self._sender._poll.modify(connection.fd, IN | OUT)
        connection.unsent = data[sent:]

    def _receive(self, until: float) -> None:
        """Read what has come; wait for it until the given time."""
        sender = self._sender
        wait = until - (time.perf_counter() - self._zero)
        if wait > 0:
            wait_readable([sender._poll], [], [], wait)
        events = sender._poll.poll(0, 256)
        now = time.perf_counter() - self._zero
        for fd, mask in events:
            connection = sender._connections.get(fd)
            if connection is None:
                if fd == sender._cancel:
                    raise CancelledLoadError
            elif mask & ~OUT:
                self._read(connection, now)
            elif connection.unsent is not None:
                self._write(connection, connection.unsent)

    def _read(self, connection: Connection, now: float) -> None:
        if connection.index < 0:
            self._sender._free.remove(connection)
            self._sender._drop(connection)
            return
        try:
            data = connection.sock.recv(RECEIVE)
            if connection.reader.feed(data) if data else connection.reader.closed():
                self._answered(connection, now)
            elif not data:
                self._lose(connection, "reset", now)
        except BlockingIOError:
            return
        except MalformedAnswerError:
            self._lose(connection, "malformed", now)
        except OSError as error:
            self._lose(connection, _kind(error), now)

    def _answered(self, connection: Connection, now: float) -> None:
        index, head = connection.index, connection.reader.head
        del self._active[index]
        connection.index = -1
        if head.keep and connection.unsent is None:
            self._sender._free.append(connection)
        else:
            self._sender._drop(connection)
        if head.status != 200:
            self._resolve(index, now, f"http-{head.status}")
        elif self._answer_lengths[index % len(self._answer_lengths)] not in (None, head.length):
            self._resolve(index, now, "length")
        else:
            self._resolve(index, now)
            if index >= self._order.lead_count:
                self._lengths[head.length] += 1

    def _lose(self, connection: Connection, kind: str, now: float | None = None) -> None:
        """The connection broke under its request."""
        del self._active[connection.index]
        self._sender._drop(connection)
        self._resolve(connection.index, time.perf_counter() - self._zero if now is None else now, kind)

    def _resolve(self, index: int, now: float, kind: str | None = None) -> None:
        self._resolved[index] = 1
        self._open_requests -= 1
        self._finished = now
        if kind is None:
            self._latency[index] = latency = now - self._times[index]
        if index < self._order.lead_count:
            return
        if kind is not None:
            self._failed[kind] += 1
            self._failures += 1
            latency = float("inf")
        for number, bound in enumerate(self._order.bounds):
            if latency > bound:
                self._over[number] += 1

    def _look(self, now: float) -> None:
        """Fail what has passed its deadline, oldest first, and see whether going on is worth it."""
        deadline = now - self._order.timeout
        kind = "timeout"
        if now >= self._give_up:
            deadline, kind = now, "abandoned"
        while self._oldest < self._next and (self._resolved[self._oldest] or self._times[self._oldest] <= deadline):
            if not self._resolved[self._oldest]:
                self._expire(self._oldest, now, kind)
            self._oldest += 1
        if not self._ended_early and self._hopeless(now):
            self._ended_early = True
            self._end = self._next
            self._give_up = now + max(GIVE_UP, 2 * max(self._order.bounds, default=0.0))

    def _expire(self, index: int, now: float, kind: str) -> None:
        connection = self._active.get(index)
        if connection is None:
            self._resolve(index, now, kind)
        else:
            self._lose(connection, kind, now)

    def _hopeless(self, now: float) -> bool:
        order = self._order
        if order.hopeless_failures is not None and self._failures > order.hopeless_failures:
            return True
        if order.hopeless_after is None or self._next >= self._end:
            return False
        return any(
            self._over[number] + self._older(now - order.bounds[number]) > limit
            for number, limit in enumerate(order.hopeless_after)
        )

    def _older(self, moment: float) -> int:
        """Counted requests still open that fell due before the moment."""
        lead, found = self._order.lead_count, 0
        for index in (*self._active, *self._waiting):
            if self._times[index] < moment and index >= lead and not self._resolved[index]:
                found += 1
        return found

    def _seen(self) -> Observation:
        order, lead = self._order, self._order.lead_count
        return Observation(
            scheduled=np.array(self._times[lead : self._next]),
            latency=np.array(self._latency[lead : self._next]),
            sent_late=np.array(self._late[lead : self._next]),
            failed=self._failed,
            lengths=self._lengths,
            first=lead / order.rate,
            finished=self._finished,
            ended_early=self._ended_early,
        )


def _kind(error: OSError) -> str:
    return "refused" if error.errno == errno.ECONNREFUSED else "reset"
