"""Keeping a server on its CPUs: some libraries pin their threads elsewhere (ONNX Runtime's pool, one a core).

A CPU limit that threads can leave is none: they would run where the load generator does. Without root there is no
cpuset that holds them, so every thread is looked at again and again and put back.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress

__all__ = ["Pinning"]

_EVERY = 0.1
"""Seconds between looks; one costs some ten microseconds a thread."""


class Pinning:
    """Puts threads back onto ``cpus``; with none given it leaves them alone."""

    def __init__(self, cpus: Iterable[int]) -> None:
        self._cpus = frozenset(cpus)
        self._next = 0.0

    def look(self, pids: Iterable[int]) -> int:
        """Look at every thread of the processes, where it is time to; how many had left."""
        now = time.monotonic()
        if not self._cpus or now < self._next:
            return 0
        self._next = now + _EVERY
        return sum(self._put_back(thread) for pid in pids for thread in _threads(pid))

    def _put_back(self, thread: int) -> bool:
        with suppress(OSError):  # it has ended meanwhile
            if not os.sched_getaffinity(thread) <= self._cpus:
                os.sched_setaffinity(thread, self._cpus)
                return True
        return False


def _threads(pid: int) -> Iterator[int]:
    try:
        yield from map(int, os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208 - names only, ten times a second
    except OSError:
        return
