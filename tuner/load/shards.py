"""One schedule sent by several workers: what each of them sends, and what they saw put together again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tuner.load.arrivals import Share, schedule
from tuner.load.order import Order
from tuner.load.tally import Observation, TokenObservation

__all__ = ["gather", "share_of"]


def share_of(order: Order) -> Order:
    """The order with the times and the counts of what its worker sends; the payloads stay those of the whole schedule.

    Request number i of the share is number ``shard + i * shards`` of the schedule.
    """
    shard, shards, lead = order.shard, order.shards, order.lead_count
    if shards == 1:
        return order
    times = schedule(order.arrivals, order.count, lead, order.rate, order.seed)[shard::shards]
    lead_count = len(range(shard, lead, shards))
    return replace(
        order,
        arrivals=Share(times.astype("<f8").tobytes()),
        count=len(times) - lead_count,
        lead_count=lead_count,
        outstanding=max(order.outstanding // shards, 1),
    )


def gather(order: Order, seen: Sequence[Observation]) -> Observation:
    """What all workers of an order saw (worker k's at place k), in the order of the schedule."""
    shards, lead = len(seen), order.lead_count
    if shards == 1:
        return seen[0]
    numbers = [(shard - lead) % shards + shards * np.arange(len(part.scheduled)) for shard, part in enumerate(seen)]
    place = np.argsort(np.concatenate(numbers), kind="stable")
    return Observation(
        scheduled=_merged([part.scheduled for part in seen], place),
        latency=_merged([part.latency for part in seen], place),
        sent_late=_merged([part.sent_late for part in seen], place),
        failed=sum((part.failed for part in seen), Counter()),
        lengths=sum((part.lengths for part in seen), Counter()),
        first=lead / order.rate,
        finished=max(part.finished for part in seen),
        ended_early=any(part.ended_early for part in seen),
        tokens=_tokens([part.tokens for part in seen if part.tokens is not None], place),
    )


def _tokens(parts: Sequence[TokenObservation], place: npt.NDArray[np.intp]) -> TokenObservation | None:
    if not parts:
        return None
    return TokenObservation(
        first=_merged([part.first for part in parts], place),
        last=_merged([part.last for part in parts], place),
        count=np.concatenate([part.count for part in parts])[place],
        gaps=np.concatenate([part.gaps for part in parts]),
    )


def _merged(parts: Sequence[npt.NDArray[np.float64]], place: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    return np.asarray(np.concatenate(parts)[place])
