"""Runs of capacity measurements on simulated servers: ours and its peers', one row each, and what rows say together."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.special import betaincinv

from bench.load_peers import Found, perf_analyzer, sweep
from bench.load_servers import CASES, FURTHER, Case
from tuner.engine.protocol import Endpoint, HttpRequest, Ports
from tuner.load.protocol import LoadPlan, LoadResult
from tuner.load.simulated import SimulatedGenerator
from tuner.measurement.course import measure
from tuner.spec.model import Load, Search, Slo

__all__ = ["METHODS", "Method", "Row", "Summary", "coverage_limit", "row_of", "summary"]

Method = Literal["ours", "perf_analyzer", "sweep"]
METHODS: tuple[Method, ...] = ("ours", "perf_analyzer", "sweep")
ENDPOINT = Endpoint(host="127.0.0.1", ports=Ports(http=1, grpc=2, metrics=3))
REQUESTS = (HttpRequest(path="/"),)
LOAD = Load.model_validate(
    {"payload": {"samples": "samples", "inputs": [{"name": "image", "datatype": "UINT8", "shape": [1]}]}}
)
SEARCH = Search.model_validate({})


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement: rates in requests per second, ``seconds`` of load. ``None`` where the tool does not say.

    ``low`` and ``high`` are its interval; a peer states none, and ``high`` is then the lowest rate that did not hold.
    """

    server: str
    method: Method
    seed: int
    value: float | None
    low: float | None
    high: float | None
    certified: float | None
    requests: int
    seconds: float


def row_of(server: str, method: Method, seed: int, true: float) -> Row:
    """Measure once; ``true`` is the capacity, from which the peers' ranges are drawn."""
    case = (CASES | FURTHER)[server]
    number, seed = seed, seed + (zlib.crc32(server.encode()) % 10_000) * 100_000  # no two servers share arrivals
    if method == "ours":
        return replace(_ours(server, case, seed), seed=number)
    found: Found = (
        perf_analyzer(case, true, SEARCH.precision, seed) if method == "perf_analyzer" else sweep(case, true, seed)
    )
    return Row(
        server, method, number, found.capacity, None, found.above, found.capacity, found.requests, found.seconds
    )  # fmt: skip


def _ours(server: str, case: Case, seed: int) -> Row:
    slo = Slo.model_validate({"latency": {f"p{case.percentile:g}": f"{case.bound * 1000:g}ms"}})
    generator = SimulatedGenerator(case.server, seed=seed)
    sent = _Counting(generator)
    result = measure(
        sent, ENDPOINT, REQUESTS, slo=slo, load=LOAD, search=SEARCH, seed=seed, arrivals=case.arrivals,
        check=lambda: None,
    )  # fmt: skip
    capacity = result.capacity
    if capacity is None:
        return Row(server, "ours", seed, None, None, None, None, sent.requests, result.elapsed)
    rate = capacity.rate
    return Row(
        server, "ours", seed, rate.value, rate.low, rate.high, capacity.certified, sent.requests, result.elapsed
    )  # fmt: skip


class _Counting:
    """A load generator that counts the requests that another one sends."""

    def __init__(self, inner: SimulatedGenerator) -> None:
        self._inner = inner
        self.requests = 0

    def run(self, plan: LoadPlan) -> LoadResult:
        result = self._inner.run(plan)
        self.requests += result.scheduled + plan.planned_lead
        return result


@dataclass(frozen=True, slots=True)
class Summary:
    """Rows of one method on one server. Errors are of log(value / true).

    ``error`` (root mean square) and ``bias`` are over the runs that found a capacity; a run that found none counts as
    not covered. ``middle`` is the error of the middle between what held and what did not, ``None`` where not told.
    """

    runs: int
    found: int
    error: float
    middle: float | None
    bias: float
    covered: int
    false_passes: int
    width: float
    requests: float
    seconds: float
    error_interval: tuple[float, float]


def summary(rows: Sequence[Row], truths: dict[str, float]) -> Summary:
    """What the rows say together; ValueError where there are none."""
    if not rows:
        raise ValueError("no rows to sum up")
    errors = np.array([math.log(row.value / truths[row.server]) for row in rows if row.value])
    middles = np.array(
        [math.log((row.value + row.high) / 2 / truths[row.server]) for row in rows if row.value and row.high]
    )
    ended = [row for row in rows if row.low and row.high]
    random = np.random.default_rng(len(rows))
    drawn = np.sqrt((errors[random.integers(0, len(errors), (500, len(errors)))] ** 2).mean(axis=1))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Summary(
        runs=len(rows),
        found=len(errors),
        error=float(np.sqrt((errors**2).mean())),
        middle=float(np.sqrt((middles**2).mean())) if len(middles) and rows[0].method != "ours" else None,
        bias=float(errors.mean()),
        covered=sum((row.low or 0) <= truths[row.server] <= (row.high or 0) for row in ended),
        false_passes=sum((row.certified or 0) > truths[row.server] for row in rows),
        width=float(np.mean([math.log((row.high or 1) / (row.low or 1)) for row in ended])) if ended else math.nan,
        requests=float(np.mean([row.requests for row in rows])),
        seconds=float(np.mean([row.seconds for row in rows])),
        error_interval=(float(low), float(high)),
    )


def coverage_limit(covered: int, runs: int) -> float:
    """The one-sided 95 % lower limit of a share, by Clopper and Pearson."""
    return 0.0 if covered == 0 else float(betaincinv(covered, runs - covered + 1, 0.05))
