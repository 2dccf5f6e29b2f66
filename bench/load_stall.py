"""A server that stalls: what an open loop sees of it, and what a closed loop reports of the same server.

The open loop sends at the scheduled times and counts from them, so all that came due during the stall is late. In a
closed loop a client waits for its answer before it sends again: during the stall each has one request on its way, the
others are never sent and never counted (Tene's "coordinated omission").
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from bench.load_trials import ENDPOINT, REQUESTS
from tuner.load.protocol import LoadPlan
from tuner.load.queues import Floats, Pace
from tuner.load.simulated import SimulatedGenerator, SimulatedServer
from tuner.measurement.latency import percentiles

__all__ = ["PERCENTS", "Stalled", "closed_loop", "stalled"]

PERCENTS = (50.0, 90.0, 95.0, 99.0, 99.9)


@dataclass(frozen=True, slots=True)
class Stalled:
    """Seconds by percentile in the open loop and in the closed one, and the requests that each sent."""

    open_loop: dict[str, float]
    closed_loop: dict[str, float]
    open_requests: int
    closed_requests: int


def stalled(
    *, seconds: float = 30.0, stall: float = 2.0, rate: float = 300.0, clients: int = 10, seed: int = 1
) -> Stalled:
    """One server under both loops, each meant to send ``rate`` requests/s; it stalls a third of the way through."""
    server = SimulatedServer(service=0.002, overhead=0.001, stall=(seconds / 3, stall))
    plan = LoadPlan(
        endpoint=ENDPOINT,
        requests=REQUESTS,
        arrivals="poisson",
        rate=rate,
        duration=seconds,
        seed=seed,
        timeout=2 * stall + 10,
        bounds=((99.0, 0.05),),
    )
    result = SimulatedGenerator(server, seed=seed).run(plan)
    latency = closed_loop(server, seconds, clients, pause=clients / rate - server.service - server.overhead)
    ordered = np.sort(latency)
    closed = {f"p{p:g}": float(ordered[min(int(p / 100 * len(ordered)), len(ordered) - 1)]) for p in PERCENTS}
    return Stalled(percentiles(result.histogram, PERCENTS), closed, result.scheduled, len(latency))


def closed_loop(server: SimulatedServer, seconds: float, clients: int, pause: float) -> Floats:
    """Latencies as clients see them that send, wait for the answer, pause, and send again; one request a batch."""
    begin, length = server.stall or (0.0, 0.0)
    pace = Pace.of(np.array([begin, begin + length]), np.array([0.0 if length else 1.0, 1.0]))
    sends = [(pause * client / clients, client) for client in range(clients)]
    free = [-np.inf] * server.instances
    latency: list[float] = []
    while sends[0][0] < seconds:
        sent, client = sends[0]
        done = max(float(pace.work(np.array([sent]))[0]), free[0]) + server.service
        heapq.heapreplace(free, done)
        answered = float(pace.moment(np.array([done]))[0]) + server.overhead
        latency.append(answered - sent)
        heapq.heapreplace(sends, (answered + pause, client))
    return np.array(latency)
