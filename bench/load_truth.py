"""The true capacity of simulated servers: the rate at which exactly the allowed share of requests misses the bound.

Where theory gives the distribution of the time in the system under Poisson arrivals, the capacity is a root of it:
M/M/c by Erlang's C formula; M/D/c by Franx (A simple solution for the M/D/c waiting time distribution, Operations
Research Letters 29, 2001); any other service time on one server by Pollaczek and Khinchine, their geometric sum taken
on a fine grid by Panjer's recursion. Everything else is run for long, until the capacity is known to a stated error.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import gammaln, ndtr, pdtrc

from tuner.load.arrivals import Arrivals, schedule
from tuner.load.simulated import SimulatedServer

__all__ = ["Truth", "by_formula", "by_long_runs", "has_formula", "late_share", "run_share", "true_capacity"]

Floats = npt.NDArray[np.float64]
GRID = 4000
LONGEST, SETTLING, LEAST_RUNS = 1_000_000, 20, 4
MOST_STATES = 1200
"""Enough up to a utilisation of 0.98; beyond it the root-finder only passes through."""
LOWEST, HIGHEST = 0.05, 0.995
"""Utilisations between which a capacity is looked for."""


@dataclass(frozen=True, slots=True)
class Truth:
    """A capacity in requests per second, with its relative standard error; 0 for a formula."""

    rate: float
    error: float = 0.0


@lru_cache(maxsize=256)
def true_capacity(
    server: SimulatedServer, percentile: float, bound: float, error: float = 0.001, arrivals: Arrivals = "poisson"
) -> Truth:
    """The capacity for ``percentile`` (0..100) within ``bound`` seconds, by formula where there is one.

    A warm server is meant: ``cold`` and ``stall`` do not count. ValueError where no rate has its root there.
    """
    if has_formula(server) and arrivals == "poisson":
        return by_formula(server, percentile, bound)
    return by_long_runs(server, percentile, bound, error, arrivals=arrivals)


def has_formula(server: SimulatedServer) -> bool:
    """True where the time in the system is known without simulating."""
    if server.batch > 1 or server.spells or server.failing:
        return False
    return server.instances == 1 or server.law in ("deterministic", "exponential")


def by_formula(server: SimulatedServer, percentile: float, bound: float) -> Truth:
    """The capacity from the distribution of the time in the system."""
    return Truth(_root(lambda rate: late_share(server, rate, bound - server.overhead), server, percentile))


def late_share(server: SimulatedServer, rate: float, within: float, *, any_law: bool = False) -> float:
    """P(time in the system > ``within`` seconds) at ``rate``, by the formula for its law or the one for any law."""
    if server.law == "exponential" and not any_law:
        return _markovian(server, rate, within)
    if server.law == "deterministic" and not any_law:
        return _deterministic(server, rate, within)
    return _pollaczek_khinchine(server, rate, within)


def by_long_runs(
    server: SimulatedServer,
    percentile: float,
    bound: float,
    error: float = 0.001,
    requests: int = LONGEST,
    arrivals: Arrivals = "poisson",
) -> Truth:
    """The capacity from runs of so many requests, until its standard error is below ``error``."""
    warm = replace(server, cold=None, stall=None)
    found: list[float] = []
    while len(found) < LEAST_RUNS or np.std(found, ddof=1) / math.sqrt(len(found)) > error:
        over = partial(run_share, warm, bound, 1000 + len(found), requests, arrivals=arrivals)
        found.append(math.log(_root(over, warm, percentile)))
    return Truth(math.exp(float(np.mean(found))), float(np.std(found, ddof=1)) / math.sqrt(len(found)))


def run_share(
    server: SimulatedServer, bound: float, seed: int, requests: int, rate: float, arrivals: Arrivals = "poisson"
) -> float:
    """Share over the bound of so many requests at ``rate``, the first twentieth left out: the queue fills up."""
    latency = server.latencies(schedule(arrivals, requests, 0, rate, seed), seed=seed)
    return float((latency[requests // SETTLING :] > bound).mean())


def _root(late: Callable[[float], float], server: SimulatedServer, percentile: float) -> float:
    """The rate at which the share over the bound is what the percentile allows."""
    allowed = math.log(1 - percentile / 100)

    def over(log_rate: float) -> float:
        return math.log(max(late(math.exp(log_rate)), 1e-12)) - allowed

    low, high = (math.log(share * server.saturation) for share in (LOWEST, HIGHEST))
    find: Any = brentq
    return math.exp(float(find(over, low, high, xtol=2e-5)))


def _markovian(server: SimulatedServer, rate: float, within: float) -> float:
    """P(time in the system > within) of M/M/c, first come first served."""
    mu, count = 1 / (server.service + server.service_each), server.instances
    load = rate / mu
    logs = np.arange(count + 1) * math.log(load) - gammaln(np.arange(count + 1) + 1)
    waiting = math.exp(logs[-1]) / (1 - load / count)
    chance = waiting / (np.exp(logs[:-1]).sum() + waiting)
    spare = count - 1 - load
    tail = math.exp(-mu * within)
    if abs(spare) < 1e-9:
        return float(tail * (1 + chance * mu * within))
    return float(tail + chance / spare * (tail - math.exp(-mu * within * (1 + spare))))


def _deterministic(server: SimulatedServer, rate: float, within: float) -> float:
    """P(time in the system > within) of M/D/c."""
    service, count = server.service + server.service_each, server.instances
    wait = within - service
    if wait < 0:
        return 1.0
    utilisation = rate * service / count
    states = _in_system(rate * service, count, states=count + 120 + min(int(25 / (1 - utilisation)), MOST_STATES))
    step = int(wait / service) + 1
    left = step * service - wait
    terms = np.arange(step * count)
    queued = np.cumsum(states)[np.minimum(count + step * count - 1 - terms, len(states) - 1)]
    logs = terms * math.log(rate * left) - gammaln(terms + 1) - rate * left if left > 0 else np.where(terms, -np.inf, 0)
    return max(1 - float((queued * np.exp(logs)).sum()), 1e-15)


def _in_system(load: float, count: int, states: int) -> Floats:
    """Stationary probabilities of the number in an M/D/c system: what is there after one service time."""
    numbers = np.arange(states)
    left = np.maximum(numbers - count, 0)
    come = numbers[None, :] - left[:, None]
    with np.errstate(divide="ignore"):
        logs = np.where(come >= 0, come * math.log(load) - gammaln(np.maximum(come, 0) + 1) - load, -np.inf)
    move = np.exp(logs)
    move[:, -1] += pdtrc(np.maximum(states - 1 - left, 0), load)
    balance = move.T - np.eye(states)
    balance[0] = 1.0
    return np.linalg.solve(balance, np.eye(states)[0])


def _pollaczek_khinchine(server: SimulatedServer, rate: float, within: float) -> float:
    """P(time in the system > within) of M/G/1 on a grid: a geometric number of residual service times, and one more."""
    mean = server.service + server.service_each
    grid = np.linspace(0.0, within, GRID + 1)
    middle = (grid[1:] + grid[:-1]) / 2
    until = np.concatenate([[0.0], middle, [2 * grid[-1] - middle[-1]]])
    residual = np.diff(_residual(server, until, mean))
    service = np.diff(_served(server, until, mean))
    utilisation = rate * mean
    waiting = np.zeros(GRID + 1)
    scale = 1 / (1 - utilisation * residual[0])
    waiting[0] = (1 - utilisation) * scale
    for place in range(1, GRID + 1):
        waiting[place] = utilisation * scale * (residual[1 : place + 1] @ waiting[place - 1 :: -1])
    return 1 - float((waiting * np.cumsum(service)[::-1]).sum())


def _served(server: SimulatedServer, times: Floats, mean: float) -> Floats:
    """P(service <= t)."""
    if server.law == "exponential":
        return -np.expm1(-times / mean)
    if server.law == "deterministic":
        return (times >= mean).astype(np.float64)
    sigma = math.sqrt(math.log1p(server.variation**2))
    with np.errstate(divide="ignore"):
        return np.asarray(ndtr((np.log(times / mean) + sigma**2 / 2) / sigma))


def _residual(server: SimulatedServer, times: Floats, mean: float) -> Floats:
    """P(residual service <= t): the integral of P(service > x) up to t, over the mean."""
    if server.law == "exponential":
        return -np.expm1(-times / mean)
    if server.law == "deterministic":
        return np.minimum(times / mean, 1.0)
    sigma = math.sqrt(math.log1p(server.variation**2))
    with np.errstate(divide="ignore"):
        below = ndtr((np.log(times / mean) - sigma**2 / 2) / sigma)
    return np.asarray(below + times / mean * (1 - _served(server, times, mean)))
