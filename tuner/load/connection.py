"""Connections to one server: sockets that never block, and the codec that each one speaks."""

from __future__ import annotations

import errno
import select as patched_select
import socket as patched_socket
from collections.abc import Callable, Iterable
from typing import Any

from gevent.monkey import get_original

from tuner.load.codec import Codec, Script

__all__ = ["IN", "OUT", "Connection", "Pool", "fault", "is_own", "wait_readable"]

# Locust patches these modules for gevent; the sender waits for real.
_original: Callable[[str, str], Any] = get_original
epoll: type[patched_select.epoll] = _original("select", "epoll")
wait_readable = _original("select", "select")
RealSocket: type[patched_socket.socket] = _original("socket", "socket")

IN, OUT = patched_select.POLLIN, patched_select.POLLOUT
OWN_FAULTS = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM})
"""The generator's machine is at its end, not the server."""
LARGEST_DEBT = 64 << 20
"""Bytes that may wait on one connection for a server that does not read, while it wants more of them."""


class Connection:
    """One connection. ``free`` where the pool offers it for the next request."""

    __slots__ = ("_poll", "codec", "fd", "free", "receive", "send", "sock", "unsent")

    def __init__(self, sock: patched_socket.socket, codec: Codec, poll: patched_select.epoll) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.codec = codec
        self.free = False
        self.unsent: memoryview | None = None
        self.send = sock.send
        self.receive = sock.recv
        self._poll = poll

    def write(self, data: bytes) -> None:
        """Send, or keep for ``flush`` what the socket does not take now. OSError where the connection is broken."""
        if self.unsent is None:
            try:
                sent = self.send(data)
            except BlockingIOError:
                sent = 0
            if sent < len(data):
                self.unsent = memoryview(data)[sent:]
                self._poll.modify(self.fd, IN | OUT)
        elif len(self.unsent) + len(data) > LARGEST_DEBT:
            raise ConnectionResetError("the server asks for answers that it does not read")
        else:
            self.unsent = memoryview(bytes(self.unsent) + data)

    def flush(self) -> None:
        """Send what was kept, as far as the socket takes it. OSError where the connection is broken."""
        if self.unsent is None:
            return
        try:
            self.unsent = self.unsent[self.send(self.unsent) :]
        except BlockingIOError:
            return
        if not self.unsent:
            self.unsent = None
            self._poll.modify(self.fd, IN)


class Pool:
    """The connections to one server at a time; ``free`` are those that take a request at once, the last used last."""

    def __init__(self, cancel: int | None) -> None:
        """``cancel``: a file descriptor that is watched beside them."""
        self.poll = epoll()
        if cancel is not None:
            self.poll.register(cancel, IN)
        self.connections: dict[int, Connection] = {}
        self.free: list[Connection] = []
        self._address = ("", 0)
        self._script: Script | None = None

    def serve(self, host: str, port: int, script: Script) -> None:
        """Connections go there from now on; those to another place, or with another script, are closed."""
        if (host, port) != self._address or script is not self._script:
            self.clear()
            self._address, self._script = (host, port), script

    def clear(self) -> None:
        """Close every connection."""
        for connection in list(self.connections.values()):
            self.drop(connection)

    def close(self) -> None:
        """The end of the pool."""
        self.clear()
        self.poll.close()

    def open(self, buffer: int) -> Connection:
        """A new connection, perhaps not yet established, with a send buffer of that many bytes. OSError."""
        if self._script is None:
            raise ValueError("the pool serves no address yet")
        sock = RealSocket(patched_socket.AF_INET6 if ":" in self._address[0] else patched_socket.AF_INET)
        try:
            sock.settimeout(0.0)
            sock.setsockopt(patched_socket.IPPROTO_TCP, patched_socket.TCP_NODELAY, 1)
            sock.setsockopt(patched_socket.SOL_SOCKET, patched_socket.SO_SNDBUF, buffer)
            code = sock.connect_ex(self._address)
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, "connect")
        except OSError:
            sock.close()
            raise
        connection = Connection(sock, self._script.connection(), self.poll)
        self.connections[connection.fd] = connection
        self.poll.register(connection.fd, IN)
        return connection

    def settle(self, connection: Connection) -> None:
        """Offer the connection for requests, or no longer, as its state now is."""
        free = connection.codec.room > 0 and connection.unsent is None
        if free != connection.free:
            connection.free = free
            (self.free.append if free else self.free.remove)(connection)

    def drop(self, connection: Connection) -> None:
        """Close it."""
        del self.connections[connection.fd]
        if connection.free:
            connection.free = False
            self.free.remove(connection)
        self.poll.unregister(connection.fd)
        connection.sock.close()

    def idle(self) -> Iterable[Connection]:
        """Connections that carry no request."""
        return [connection for connection in self.connections.values() if not connection.codec.asked()]


def fault(error: OSError) -> str:
    """The kind of failure that an error of a connection is."""
    return "refused" if error.errno == errno.ECONNREFUSED else "reset"


def is_own(error: OSError) -> bool:
    """Whether this machine is at its end, and not the server."""
    return error.errno in OWN_FAULTS
