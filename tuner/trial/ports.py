"""Ports for a server on this machine that nobody else takes: not another tuner, not an outgoing connection."""

from __future__ import annotations

import fcntl
import os
import random
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tuner.engine.protocol import Ports
from tuner.errors import TemporaryError

__all__ = ["PortReservation", "free", "reserve"]

_LOWEST, _HIGHEST = 10_000, 65_535
_TRIES = 2_000


class PortReservation:
    """Three ports, locked against other tuners until ``release`` and bound against everybody until ``hand_over``.

    The locks are the kernel's (flock), so they end with this process, however it ends.
    """

    def __init__(self, ports: Ports, locks: list[int], sockets: list[socket.socket]) -> None:
        self.ports = ports
        self._locks = locks
        self._sockets = sockets

    def hand_over(self) -> None:
        """Free the ports for the server that is about to bind them; the locks stay."""
        while self._sockets:
            self._sockets.pop().close()

    def release(self) -> None:
        """Give the ports back. Any number of times."""
        self.hand_over()
        while self._locks:
            os.close(self._locks.pop())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def reserve(folder: Path) -> PortReservation:
    """Reserve ports; ``folder`` holds the lock files and is shared by all tuners of one user on one machine.

    TemporaryError where no three ports are free, or the folder cannot be written.
    """
    locks: list[int] = []
    sockets: list[socket.socket] = []
    found: list[int] = []
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for port in _candidates():
            taken = _take(folder, port)
            if taken is not None:
                locks.append(taken[0])
                sockets.append(taken[1])
                found.append(port)
            if len(found) == 3:
                return PortReservation(Ports(http=found[0], grpc=found[1], metrics=found[2]), locks, sockets)
        raise TemporaryError("no free ports on 127.0.0.1 for the server", delay=5.0)
    except BaseException as error:
        PortReservation(Ports(http=0, grpc=0, metrics=0), locks, sockets).release()
        if isinstance(error, OSError):
            raise TemporaryError(f"cannot reserve ports in {folder}: {error.strerror}", delay=5.0) from error
        raise


def free(port: int) -> bool:
    """Whether nobody is bound to this port, on any address."""
    with suppress(OSError):
        _bind(port).close()
        return True
    return False


def _candidates() -> Iterator[int]:
    """Ports outside the range that the kernel gives to outgoing connections, in random order."""
    low, high = 32_768, 60_999
    with suppress(OSError, ValueError):
        low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    outside = [port for port in range(_LOWEST, _HIGHEST + 1) if not low <= port <= high]
    pool = outside if len(outside) >= 100 else range(_LOWEST, _HIGHEST + 1)
    return iter(random.SystemRandom().sample(pool, min(_TRIES, len(pool))))


def _take(folder: Path, port: int) -> tuple[int, socket.socket] | None:
    lock = os.open(folder / str(port), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return lock, _bind(port)
    except OSError:
        os.close(lock)
        return None


def _bind(port: int) -> socket.socket:
    """All addresses, so that a server on any of them is in the way; not listening, so nothing can connect."""
    holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        holder.bind(("", port))
    except OSError:
        holder.close()
        raise
    return holder
