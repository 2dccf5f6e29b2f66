"""A load's counts for Locust's own statistics, so that whatever listens to Locust sees it.

They arrive in one batch after the load, by the event that Locust's master uses for its workers' batches: an event for
each request would cost the generator more than the request.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from locust.stats import StatsEntry, StatsError, bucket_response_time

from tuner.load.order import Order
from tuner.load.tally import Observation

__all__ = ["report"]


def report(environment: Any, order: Order, seen: Observation, elapsed: float) -> None:
    """Add the load to the environment's statistics, under the first request's method and path."""
    method, path = _line(order.payloads[0])
    entry = _entry(environment, path, method, order, seen, elapsed)
    errors = {
        StatsError.create_key(method, path, kind): StatsError(method, path, kind, occurrences).serialize()
        for kind, occurrences in sorted(seen.failed.items())
    }
    data = {"stats": [entry.serialize()], "stats_total": entry.serialize(), "errors": errors}
    environment.events.worker_report.fire(client_id="local", data=data)


def _line(payload: bytes) -> tuple[str, str]:
    """Method and path where the payload begins with an HTTP/1.1 request line."""
    words = payload[:4096].partition(b"\r\n")[0].decode("latin-1").split(" ")
    return (words[0], words[1]) if len(words) == 3 and words[2] == "HTTP/1.1" else ("SEND", "request")


def _entry(environment: Any, path: str, method: str, order: Order, seen: Observation, elapsed: float) -> Any:
    """Locust keeps milliseconds, rounded to two or three digits; a request that failed stands at the timeout."""
    milliseconds = np.where(seen.latency < 0, order.timeout, seen.latency) * 1000
    entry: Any = StatsEntry(environment.stats, path, method)
    now = time.time()
    entry.start_time = now - elapsed
    entry.last_request_timestamp = now
    entry.num_requests = len(milliseconds)
    entry.num_failures = int((seen.latency < 0).sum())
    rounded, counts = np.unique(np.rint(milliseconds), return_counts=True)
    for response_time, count in zip(rounded.tolist(), counts.tolist(), strict=True):
        bucket = bucket_response_time(response_time)
        entry.response_times[bucket] = entry.response_times.get(bucket, 0) + count
    if len(milliseconds):
        entry.total_response_time = float(milliseconds.sum())
        entry.min_response_time = float(milliseconds.min())
        entry.max_response_time = float(milliseconds.max())
    return entry
