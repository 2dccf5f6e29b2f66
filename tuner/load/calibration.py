"""How many requests per second one worker sends on time, found out against a server that computes nothing.

It takes a second or two, once in a process's life for each size of requests, and only before loads that are high enough
for one worker to be too few.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import ceil, inf, sqrt
from pathlib import Path

import tuner
from tuner.engine.protocol import Endpoint, HttpRequest, Ports
from tuner.errors import TemporaryError
from tuner.load.histogram import decode
from tuner.load.null_server import BODY
from tuner.load.protocol import LoadPlan, LoadResult
from tuner.load.request import wire_request

__all__ = ["LATE", "Calibration", "sustained"]

LATE = 0.001
"""Seconds that the p99 of schedule delay may reach."""
SAFE_RATE, SAFE_BYTES = 1500.0, 50e6
"""Requests and bytes per second that one worker sends on any machine that runs Triton at all."""
SECONDS = 0.15
HIGHEST = 128_000.0
SLOW = 0.02
NOISE = 2.0
FINENESS = 1.2
SHARE = 0.8
"""A worker gets this share of what it can send at most."""

Run = Callable[[LoadPlan], LoadResult]


@dataclass(slots=True)
class Calibration:
    """What one worker can send, by the size of its requests (rounded up to a power of two); filled as it is needed."""

    rates: dict[int, float] = field(default_factory=dict)

    def workers(self, plan: LoadPlan, most: int, one: Run) -> int:
        """How many workers a plan needs, ``most`` at most; ``one`` sends a load from one worker."""
        size = max(len(wire_request(request, plan.endpoint)) for request in plan.requests)
        if most == 1 or (plan.rate <= SAFE_RATE and plan.rate * size <= SAFE_BYTES):
            return 1
        rounded = 1 << (size - 1).bit_length()
        if rounded not in self.rates:
            self.rates[rounded] = sustained(one, rounded)
        return min(ceil(plan.rate / (SHARE * self.rates[rounded])), most)


def sustained(run: Run, size: int) -> float:
    """The highest rate, in requests of ``size`` bytes per second, whose p99 of schedule delay is within ``LATE``.

    By doubling from ``SAFE_RATE``, then bisecting in log space to within a fifth. On a machine so busy that even
    ``SAFE_RATE`` is late, more than ``NOISE`` times that lateness is what counts.
    """
    with _null_server(size) as (endpoint, request):
        late = max(LATE, NOISE * _lateness(run, endpoint, request, SAFE_RATE))
        low, high = SAFE_RATE, 2 * SAFE_RATE
        while high <= HIGHEST and _lateness(run, endpoint, request, high) <= late:
            low, high = high, 2 * high
        while high / low > FINENESS:
            middle = sqrt(low * high)
            on_time = _lateness(run, endpoint, request, middle) <= late
            low, high = (middle, high) if on_time else (low, middle)
    return low


def _lateness(run: Run, endpoint: Endpoint, request: HttpRequest, rate: float) -> float:
    """The p99 of schedule delay in seconds; infinite where requests fail, or half of them are very late."""
    result = run(
        LoadPlan(
            endpoint=endpoint,
            requests=(request,),
            arrivals="poisson",
            rate=rate,
            duration=SECONDS,
            seed=1,
            timeout=1.0,
            bounds=((50.0, SLOW),),
            lead=SECONDS / 4,
            hopeless_after=(round(rate * SECONDS / 2),),
            hopeless_failures=0,
        )
    )
    late = float(decode(result.lateness).get_value_at_percentile(99)) / 1e6
    return inf if result.failures or result.ended_early else late


def _told(process: subprocess.Popen[bytes], size: int) -> tuple[Endpoint, HttpRequest]:
    """Tell the server how large requests are; where it answers, and such a request."""
    port = process.stdout.readline() if process.stdout else b""
    if not port or process.stdin is None:
        raise TemporaryError("the null server that the load generator is calibrated with did not start")
    endpoint = Endpoint(host="127.0.0.1", ports=Ports(http=int(port), grpc=1, metrics=1))
    request = HttpRequest(path="/", body=b"x" * size, answer_bytes=BODY)
    process.stdin.write(b"%d\n" % len(wire_request(request, endpoint)))
    process.stdin.flush()
    return endpoint, request


@contextlib.contextmanager
def _null_server(size: int) -> Iterator[tuple[Endpoint, HttpRequest]]:
    """A null server in a process of its own, and a request of about that size. TemporaryError where it breaks."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(Path(tuner.__file__).parents[1])}
    process = subprocess.Popen(
        [sys.executable, "-P", "-S", "-m", "tuner.load.null_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )
    try:
        yield _told(process, size)
    finally:
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        process.wait()
