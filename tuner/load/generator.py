"""The load generator of every trial: Locust in processes of its own, kept alive from one load to the next."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import replace
from operator import is_
from types import TracebackType
from typing import Self

from tuner.engine.protocol import Endpoint, HttpRequest
from tuner.errors import TemporaryError
from tuner.load.arrivals import Trace
from tuner.load.calibration import Calibration
from tuner.load.fleet import Fleet
from tuner.load.order import Order
from tuner.load.protocol import LoadPlan, LoadResult
from tuner.load.request import wire_port, wire_request
from tuner.load.shards import gather
from tuner.load.simulated import load_result
from tuner.load.tally import Tally, tally
from tuner.load.wire import Frame, Package, decode_seen, encode_order

__all__ = ["LocustGenerator"]

CALIBRATION = Calibration()
"""What a worker can send does not change while this process lasts."""
GRACE = 15.0
"""Seconds beyond a load's longest time after which its worker is taken for broken."""
TOGETHER, EACH = 0.01, 2e-6
"""Seconds that several workers get to be ready for their common start: at least, and for each request."""


class LocustGenerator:
    """A ``LoadGenerator`` whose processes start with the first load, or on ``with``, and end with ``close``.

    A worker that breaks or hangs is reported as TemporaryError, and every process is ended; the next load starts new
    ones. They end by themselves when this process does, however that ends. Not for use by several threads at once.
    """

    def __init__(self, cpus: Iterable[int] = (), *, workers: int | None = None, start_timeout: float = 60.0) -> None:
        """``cpus``: the cores that the workers run on; every core of this process where none is given.

        ``workers``: how many there are. Where it is ``None``, as many as a load needs by calibration: one for each core
        given at most, or one for every other core of the machine; once there are several they stay.
        """
        self._cpus = tuple(sorted(cpus))
        self._workers = workers
        self._most = len(self._cpus) or max(len(os.sched_getaffinity(0)) // 2, 1)
        self._start_timeout = start_timeout
        self._fleet: Fleet | None = None
        self._prepared: _Prepared | None = None
        self._trace: tuple[Trace, Package] | None = None

    def __enter__(self) -> Self:
        self._started(self._workers or 1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The first worker's process, where one runs."""
        return self._fleet.workers[0].process.pid if self._fleet else None

    @property
    def pids(self) -> tuple[int, ...]:
        """The workers' processes."""
        return tuple(child.process.pid for child in self._fleet.workers) if self._fleet else ()

    def run(self, plan: LoadPlan) -> LoadResult:
        """Send the plan's load. TemporaryError where the generator broke, PermanentError for an impossible request."""
        return self._run(self._started(self._workers or self._needed(plan)), plan)

    def statistics(self) -> dict[str, int]:
        """Requests and failures as Locust's master has counted them so far; empty where one worker needs none."""
        return self._fleet.statistics(GRACE) if self._fleet else {}

    def close(self) -> None:
        """End every process. Idempotent."""
        fleet, self._fleet = self._fleet, None
        if fleet is not None:
            fleet.end()

    def _needed(self, plan: LoadPlan) -> int:
        running = len(self._fleet) if self._fleet else 1
        if running == self._most:
            return running
        return max(running, CALIBRATION.workers(plan, self._most, lambda asked: self._run(self._started(1), asked)))

    def _run(self, fleet: Fleet, plan: LoadPlan) -> LoadResult:
        if self._prepared is None or not self._prepared.fits(plan):
            self._prepared = _Prepared(plan)
        prepared = self._prepared
        order = prepared.order(plan)
        limit = plan.lead + plan.duration + plan.timeout + GRACE
        try:
            answers = _sent(fleet, order, prepared, self._trace_of(plan), limit)
        except (OSError, EOFError) as error:
            raise self._broken("the load generator stopped") from error
        except TimeoutError as error:
            raise self._broken(f"the load generator did not answer within {limit:.0f} s") from error
        except BaseException:
            self.close()  # interrupted in the midst of a load: the worker's answer would be taken for the next one's
            raise
        if "error" in answers[0][0]:
            raise self._broken(f"the load generator broke: {answers[0][0]['error']}")
        return load_result(_counted(order, answers))

    def _trace_of(self, plan: LoadPlan) -> Package | None:
        if not isinstance(plan.arrivals, Trace):
            return None
        if self._trace is None or self._trace[0] is not plan.arrivals:
            self._trace = plan.arrivals, Package.of([plan.arrivals.times])
        return self._trace[1]

    def _started(self, workers: int) -> Fleet:
        if self._fleet is not None and len(self._fleet) != workers:
            self.close()
        if self._fleet is None:
            self._fleet = Fleet(self._cpus, workers)
            try:
                self._fleet.start(self._start_timeout)
            except (OSError, EOFError) as error:
                raise self._broken("the load generator did not start") from error
            except BaseException:
                self.close()
                raise
        return self._fleet

    def _broken(self, what: str) -> TemporaryError:
        """End the processes and tell what was said last."""
        fleet, self._fleet = self._fleet, None
        said = ""
        if fleet is not None:
            said = fleet.last_words()
            fleet.end(at_once=True)
        return TemporaryError(f"{what}: {said}" if said else what)


class _Prepared:
    """The requests of a plan as they go over the wire, made once for all loads that send them to one server."""

    def __init__(self, plan: LoadPlan) -> None:
        """PermanentError for a request that is none."""
        self._requests: tuple[HttpRequest, ...] = plan.requests
        self._endpoint: Endpoint = plan.endpoint
        self.payloads = Package.of(wire_request(request, plan.endpoint) for request in plan.requests)

    def fits(self, plan: LoadPlan) -> bool:
        """Whether the plan's requests look the same."""
        same = len(plan.requests) == len(self._requests) and all(map(is_, plan.requests, self._requests))
        return same and plan.endpoint == self._endpoint

    def order(self, plan: LoadPlan) -> Order:
        """The plan, for one worker."""
        return Order(
            host=plan.endpoint.host,
            port=wire_port(plan.requests[0], plan.endpoint),
            payloads=self.payloads.pieces,
            arrivals=plan.arrivals,
            rate=plan.rate,
            count=plan.planned,
            lead_count=plan.planned_lead,
            seed=plan.seed,
            timeout=plan.timeout,
            bounds=tuple(bound for _, bound in plan.bounds),
            hopeless_after=plan.hopeless_after,
            hopeless_failures=plan.hopeless_failures,
            answer_lengths=tuple(request.answer_bytes for request in plan.requests),
            outstanding=plan.outstanding,
            protocol=plan.requests[0].protocol,
            token_bounds=plan.token_bounds,
        )


def _sent(fleet: Fleet, order: Order, prepared: _Prepared, trace: Package | None, limit: float) -> list[Frame]:
    """Each worker's answer; again where a worker had to make room on its shelf for what others needed."""
    while True:
        fleet.stock([prepared.payloads, *([trace] if trace else [])], limit)
        shards, start = len(fleet), None
        if shards > 1:
            start = time.perf_counter() + TOGETHER + EACH * (order.count + order.lead_count)
        orders = [replace(order, shard=number, shards=shards, start=start) for number in range(shards)]
        answers = fleet.ask([encode_order(each, prepared.payloads, trace) for each in orders], limit)
        wanted = {header["wanted"] for header, _ in answers if "wanted" in header}
        if not wanted:
            return answers
        for digest in wanted:
            fleet.missing(digest)


def _counted(order: Order, answers: list[Frame]) -> Tally:
    seen, elapsed = zip(*(decode_seen(answer) for answer in answers), strict=True)
    return tally(
        gather(order, seen),
        planned=order.count,
        rate=order.rate,
        timeout=order.timeout,
        bounds=order.bounds,
        elapsed=max(elapsed),
        token_bounds=order.token_bounds,
    )
