"""What wakes the service: names of repositories to look at, and ends of anything that it waits for."""

from __future__ import annotations

import threading

__all__ = ["Bell"]


class Bell:
    """Rung by any thread, answered by one."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._names: set[str] = set()
        self._rung = False

    def ring(self, *names: str) -> None:
        """Wake the service, to look at these repositories. Never blocks for longer than a few instructions."""
        with self._condition:
            self._names.update(names)
            self._rung = True
            self._condition.notify_all()

    def wait(self, timeout: float) -> frozenset[str]:
        """Wait until it rings, ``timeout`` seconds at most; the names since the last time."""
        with self._condition:
            self._condition.wait_for(lambda: self._rung, timeout)
            names = frozenset(self._names)
            self._names.clear()
            self._rung = False
            return names
