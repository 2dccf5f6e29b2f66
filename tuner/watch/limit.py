"""How many requests a sender may make: a bucket of tokens for each, of the last thousand senders."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

__all__ = ["RateLimit"]

_SENDERS = 1000
_BURST = 2.0
"""Seconds' worth of requests that may come at once."""


class RateLimit:
    """At most ``rate`` requests a second of one sender in the long run."""

    def __init__(self, rate: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._most = max(1.0, rate * _BURST)
        self._clock = clock
        self._lock = Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, sender: str) -> bool:
        """Whether this request is within the limit; it counts only then."""
        now = self._clock()
        with self._lock:
            tokens, since = self._buckets.pop(sender, (self._most, now))
            tokens = min(self._most, tokens + (now - since) * self._rate)
            allowed = tokens >= 1.0
            self._buckets[sender] = (tokens - 1.0 if allowed else tokens, now)
            while len(self._buckets) > _SENDERS:
                self._buckets.popitem(last=False)
            return allowed
