"""What goes wrong between a client and a fake forge, on purpose and in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Fault:
    """The next ``times`` requests of a method, to a path with these words in it, get this status.

    ``done``: the request was carried out all the same, and only its answer was lost.
    """

    method: str
    path: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    message: str = "it failed"
    done: bool = False
    times: int = 1


@dataclass
class Limits:
    """What a server allows, and what it has seen."""

    between_writes: float = 0.0
    """Seconds; a write that comes sooner is a secondary limit."""
    left: int = 5000
    lag: int = 1
    """How many lists do not show a new pull request."""
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str, int]] = field(default_factory=list)
    """Method, path and status of each."""
    last_write: float = 0.0
    writing: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fault(self, method: str, path: str) -> Fault | None:
        """The fault for this request, which is used up by it."""
        with self.lock:
            for index, fault in enumerate(self.faults):
                if fault.method == method and fault.path in path:
                    rest = fault.times - 1
                    self.faults[index : index + 1] = [Fault(**{**fault.__dict__, "times": rest})] if rest else []
                    return fault
        return None

    def too_soon(self) -> bool:
        """Whether a write comes too soon after the one before; it counts as one either way."""
        with self.lock:
            now = time.monotonic()
            soon = now - self.last_write < self.between_writes
            self.last_write = now
            return soon

    def writes(self) -> list[tuple[str, str, int]]:
        return [each for each in self.requests if each[0] not in ("GET", "HEAD")]
