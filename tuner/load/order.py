"""A plan as a worker process gets it: plain numbers and prepared bytes, cheap to carry and free of the other rooms."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.load.arrivals import Arrivals

__all__ = ["Order"]


@dataclass(frozen=True, slots=True)
class Order:
    """What a sender sends. Times in seconds; ``bounds`` without their percentiles; see ``LoadPlan`` for the rest."""

    host: str
    port: int
    payloads: tuple[bytes, ...]
    """Whole HTTP/1.1 requests as they go over the wire; request number i sends payload i modulo their number."""
    arrivals: Arrivals
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
