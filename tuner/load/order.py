"""A plan as a worker process gets it: plain numbers and prepared bytes, cheap to carry and free of the other rooms."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.load.arrivals import Arrivals, Share

__all__ = ["Order"]


@dataclass(frozen=True, slots=True)
class Order:
    """What a sender sends. Times in seconds; ``bounds`` without their percentiles; see ``LoadPlan`` for the rest."""

    host: str
    port: int
    payloads: tuple[bytes, ...]
    """Whole requests in the words of HTTP/1.1, also where they go over the wire as frames; request number i sends
    payload i modulo their number."""
    arrivals: Arrivals | Share
    rate: float
    count: int
    lead_count: int
    seed: int
    timeout: float
    bounds: tuple[float, ...]
    hopeless_after: tuple[int, ...] | None
    hopeless_failures: int | None
    answer_lengths: tuple[int | None, ...]
    """Bytes of the body of a good answer, for each payload; ``None`` where answers may differ."""
    outstanding: int
    shard: int = 0
    """This order is for worker ``shard`` of ``shards``: of the whole schedule it sends the requests whose number is
    that, modulo ``shards``."""
    shards: int = 1
    start: float | None = None
    """Where the schedule begins, on the clock of ``time.perf_counter`` (one for the machine); at once for ``None``."""
    protocol: str = "http"
    """``http``, ``grpc`` or ``stream``; see ``HttpRequest``."""
    token_bounds: tuple[float | None, float | None] = (None, None)
