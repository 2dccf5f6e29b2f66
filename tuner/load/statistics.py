"""A load's counts for Locust's own statistics, so that whatever listens to Locust sees it.

They arrive in one batch after the load, by the event that Locust's master uses for its workers' batches: an event for
each request would cost the generator more than the request.
"""

from __future__ import annotations

import time
from typing import Any

from locust.stats import StatsEntry, StatsError, bucket_response_time

from tuner.load.histogram import decode, recorded
from tuner.load.order import Order
from tuner.load.tally import Tally

__all__ = ["report"]


def report(environment: Any, order: Order, tally: Tally) -> None:
    """Add the load to the environment's statistics, under the first request's method and path."""
    method, path, *_ = order.payloads[0].partition(b"\r\n")[0].decode("ascii").split(" ")
    entry = _entry(environment, path, method, tally)
    errors = {
        StatsError.create_key(method, path, kind): StatsError(method, path, kind, occurrences).serialize()
        for kind, occurrences in tally.failed.items()
    }
    data = {"stats": [entry.serialize()], "stats_total": entry.serialize(), "errors": errors}
    environment.events.worker_report.fire(client_id="local", data=data)


def _entry(environment: Any, path: str, method: str, tally: Tally) -> Any:
    """Locust keeps milliseconds, rounded to two or three digits."""
    entry: Any = StatsEntry(environment.stats, path, method)
    now = time.time()
    entry.start_time = now - tally.elapsed
    entry.last_request_timestamp = now
    entry.num_requests = tally.scheduled
    entry.num_failures = tally.scheduled - tally.answered
    for micros, count in zip(*(column.tolist() for column in recorded(decode(tally.histogram))), strict=True):
        milliseconds = micros / 1000
        bucket = bucket_response_time(milliseconds)
        entry.response_times[bucket] = entry.response_times.get(bucket, 0) + count
        entry.total_response_time += milliseconds * count
        entry.min_response_time = min(entry.min_response_time or milliseconds, milliseconds)
        entry.max_response_time = max(entry.max_response_time, milliseconds)
    return entry
