"""Is the candidate better than the baseline? The interval of their ratio from paired, interleaved blocks.

A percentile bootstrap of a few pairs claims a difference far too often (with 4 pairs 17 times, with 8 pairs 4 times the
stated rate at 99 %). Where the number of pairs is fixed beforehand, each limit is the wider of two: Student's t on the
log ratios, exact where their noise is normal, and the studentised bootstrap (Efron and Tibshirani, An Introduction to
the Bootstrap, section 12.5), which follows noise that is skewed. Resamples of very few pairs repeat one of them so
often that their own spread says nothing; below ``STUDENTISED`` pairs the t interval stands alone.

A fixed number of pairs is too few for a small difference or too many for a large one: to find 5 % where a block's noise
is 3 % takes 18 pairs at 99.67 %, 30 % takes 5. So pairs may be looked at in between, at the pairs in ``LOOKS``, and no
more are measured once it is certain. Each look spends a part of the error that the confidence allows (Lan and DeMets,
Discrete sequential boundaries for clinical trials, Biometrika 70, 1983, with the spending function alpha * share**1.5);
the boundaries follow by Armitage, McPherson and Rowe's recursion (Repeated significance tests on accumulating data,
JRSS A 132, 1969) and are used as levels of Student's t (Jennison and Turnbull, Group Sequential Methods with
Applications to Clinical Trials). All intervals of one comparison hold together with the stated confidence, whichever
of them is the last. ``bench/load_comparison.py`` shows how often they claim and miss a difference.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri, stdtrit

from tuner.measurement.model import Interval

__all__ = ["LEAST_PAIRS", "LOOKS", "WORTHWHILE", "next_look", "paired_ratio"]

LEAST_PAIRS = 3
LOOKS = (6, 8, 12, 16, 20, 24)
"""Numbers of pairs after which a comparison is looked at; even ones, so that each ABBA is whole."""
WORTHWHILE = 0.05
"""A difference that is worth finding: a comparison ends once none so large is left to be found."""
NOT_LEFT = 0.99
"""How sure that has to be; being wrong here misses a difference and claims none."""
SPENDING = 1.5
GRID = 601
STUDENTISED = 8
RESAMPLES = 4000
STEADIEST = 1e-4
"""Noise (standard deviation of a log ratio) below which no machine is believed to be: equal figures prove nothing."""


def paired_ratio(
    baseline: Sequence[float],
    candidate: Sequence[float],
    confidence: float,
    seed: int,
    looks: Sequence[int] | None = None,
) -> Interval:
    """Geometric mean of candidate / baseline over pairs of blocks, with its two-sided interval.

    The pairs are in order: block i of both sides ran next to each other. Without ``looks`` their number was fixed
    beforehand; with them this is the look at that many pairs (see ``next_look``), and the intervals of all looks hold
    together with ``confidence``. ValueError for values that are not positive, sequences of unequal length, fewer than
    ``LEAST_PAIRS`` pairs, or a number of pairs that is not looked at.
    """
    logs = _log_ratios(baseline, candidate, confidence)
    count, mean, error = len(logs), float(logs.mean()), _error(logs)
    if looks is not None:
        student = _student(1 - _level(count, confidence, tuple(looks)) / 2, count)
        return _interval(mean, student * error, student * error)
    student = _student((1 + confidence) / 2, count)
    low_t, high_t = _studentised(logs, confidence, seed) if count >= STUDENTISED else (-student, student)
    return _interval(mean, max(student, high_t) * error, max(student, -low_t) * error)


def next_look(
    baseline: Sequence[float], candidate: Sequence[float], confidence: float, looks: Sequence[int] = LOOKS
) -> int | None:
    """How many pairs to have before looking again; ``None`` where no more are needed.

    None are needed at the last look, once the interval leaves out 1, or once the candidate is certain not to be
    better by ``WORTHWHILE``. Between looks nothing is looked at. ValueError as in ``paired_ratio``.
    """
    count = len(baseline)
    if count not in looks:
        return next((look for look in looks if look > count), None)
    interval = paired_ratio(baseline, candidate, confidence, 0, looks)
    logs = _log_ratios(baseline, candidate, confidence)
    most = float(logs.mean()) + _student(NOT_LEFT, count) * _error(logs)
    if interval.low > 1 or interval.high < 1 or most < math.log1p(WORTHWHILE):
        return None
    return next((look for look in looks if look > count), None)


def _log_ratios(
    baseline: Sequence[float], candidate: Sequence[float], confidence: float
) -> npt.NDArray[np.float64]:  # fmt: skip
    if len(baseline) != len(candidate) or len(baseline) < LEAST_PAIRS:
        raise ValueError(f"a paired interval needs at least {LEAST_PAIRS} pairs of blocks")
    if not all(0 < value < math.inf for value in (*baseline, *candidate)) or not 0 < confidence < 1:
        raise ValueError("a ratio needs values above 0, and a confidence between 0 and 1")
    return np.asarray(np.log(np.asarray(candidate, dtype=np.float64) / np.asarray(baseline, dtype=np.float64)))


def _error(logs: npt.NDArray[np.float64]) -> float:
    """Standard error of the mean log ratio."""
    return max(float(logs.std(ddof=1)), STEADIEST) / math.sqrt(len(logs))


def _student(quantile: float, count: int) -> float:
    return float(stdtrit(count - 1, quantile))


def _interval(mean: float, below: float, above: float) -> Interval:
    return Interval(value=math.exp(mean), low=math.exp(mean - below), high=math.exp(mean + above))


def _level(count: int, confidence: float, looks: tuple[int, ...]) -> float:
    """The error that the look at so many pairs may make by itself, both sides together."""
    if count not in looks:
        raise ValueError(f"{count} pairs are not looked at, a look needs one of {looks}")
    return _levels(looks, confidence)[looks.index(count)]


@lru_cache(maxsize=64)
def _levels(looks: tuple[int, ...], confidence: float) -> tuple[float, ...]:
    """The levels of all looks, so that the chance of any error among them is 1 - confidence.

    A sum of pairs wanders like a random walk of unit steps; its density where no look has ended it yet is carried from
    look to look on a grid.
    """
    if not looks or looks[0] < LEAST_PAIRS or any(low >= high for low, high in pairwise(looks)):
        raise ValueError(f"looks needs ascending numbers of pairs, {LEAST_PAIRS} at least")
    spent, levels = 0.0, []
    places, weights = np.zeros(1), np.ones(1)
    for number, look in enumerate(looks):
        step = math.sqrt(look - (looks[number - 1] if number else 0))
        whole = (1 - confidence) * (look / looks[-1]) ** SPENDING
        bound = _boundary(places, weights, step, whole - spent)
        spent = whole
        levels.append(2 * float(ndtr(-bound / math.sqrt(look))))
        grid = np.linspace(-bound, bound, GRID)
        density = np.exp(-(((grid[:, None] - places) / step) ** 2) / 2) / (step * math.sqrt(2 * math.pi)) @ weights
        width = np.full(GRID, grid[1] - grid[0])
        width[[0, -1]] /= 2
        places, weights = grid, density * width
    return tuple(levels)


def _boundary(places: npt.NDArray[np.float64], weights: npt.NDArray[np.float64], step: float, error: float) -> float:
    """The distance from 0 that one more step exceeds, on either side, with the probability ``error``."""

    def too_often(bound: float) -> float:
        return 2 * float(weights @ ndtr((places - bound) / step)) - error

    find: Any = brentq
    return float(find(too_often, 0.0, float(np.abs(places).max()) - float(ndtri(error / 4)) * step))


def _studentised(logs: npt.NDArray[np.float64], confidence: float, seed: int) -> tuple[float, float]:
    """The two quantiles of the bootstrapped t statistic; resamples of one single value say nothing and are left out."""
    random = np.random.Generator(np.random.PCG64(seed))
    drawn = logs[random.integers(0, len(logs), (RESAMPLES, len(logs)))]
    spread = drawn.std(axis=1, ddof=1)
    told = spread > STEADIEST * 1e-3
    if not told.any():
        return 0.0, 0.0
    statistic = (drawn[told].mean(axis=1) - logs.mean()) / (spread[told] / math.sqrt(len(logs)))
    low, high = np.quantile(statistic, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
