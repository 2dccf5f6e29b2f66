"""How often a comparison claims a difference that is none, and finds one that is there.

``python -m bench.load_comparison [--claims 20000] [--powers 4000] [--jobs 2]`` writes
``bench/results/load-comparison.json``. The confidence is the product's (a spec's default, shared among the candidates
that are confirmed), the blocks run A B B A and are looked at as ``tuner.measurement.compare`` says. ``noise`` is the
standard deviation of the logarithm of one block's figure.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

from bench.result import MEASURED, write
from tuner.campaign.confirming import CANDIDATES
from tuner.load.arrivals import schedule
from tuner.load.simulated import SimulatedServer
from tuner.measurement.benchmark import Figure
from tuner.measurement.compare import LOOKS, next_look, paired_ratio
from tuner.recommendation.confirm import BLOCKS, shared_confidence
from tuner.spec.model import Slo

__all__ = ["NOISES", "Outcome", "compared", "main"]

Floats = npt.NDArray[np.float64]
Noise = Callable[[np.random.Generator, int], Floats]
PAIRS = LOOKS[-1]
CONFIDENCE = shared_confidence(Slo.model_validate({"latency": {"p99": "50ms"}}).confidence, CANDIDATES)
PART = 500
LATENCIES = 4000
"""Comparisons of latencies at most: each simulates 48 loads."""
STEP = 0.3
"""Standard deviation of one step of a drift, in units of the noise."""


def _normal(random: np.random.Generator, blocks: int) -> Floats:
    return random.standard_normal(blocks)


def _skewed(random: np.random.Generator, blocks: int) -> Floats:
    """Blocks are never much faster than usual, but now and then much slower."""
    sigma = 0.8
    drawn = np.exp(sigma * random.standard_normal(blocks))
    mean, variance = np.exp(sigma**2 / 2), (np.exp(sigma**2) - 1) * np.exp(sigma**2)
    return np.asarray((mean - drawn) / np.sqrt(variance))


def _drifting(random: np.random.Generator, blocks: int) -> Floats:
    """The machine wanders from block to block, on top of the blocks' own noise."""
    return random.standard_normal(blocks) + np.cumsum(STEP * random.standard_normal(blocks))


def _heavy(random: np.random.Generator, blocks: int) -> Floats:
    """Student's t with 3 degrees of freedom."""
    return np.asarray(random.standard_t(3, blocks) / np.sqrt(3))


NOISES: dict[str, Noise] = {"normal": _normal, "skewed": _skewed, "drifting": _drifting, "heavy-tailed": _heavy}
UNEVEN = "skewed on one side only"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of many comparisons: how many claimed a difference, either way, and the blocks that each took on average."""

    comparisons: int
    claims: int
    blocks: float

    def share(self) -> tuple[float, float, float]:
        """Share of claims in %, with its one-sided 95 % limits (Clopper and Pearson)."""
        claims, whole = self.claims, self.comparisons
        low = 0.0 if claims == 0 else float(betaincinv(claims, whole - claims + 1, 0.05))
        high = 1.0 if claims == whole else float(betaincinv(claims + 1, whole - claims, 0.95))
        return 100 * claims / whole, 100 * low, 100 * high


def interleaved(values: Floats) -> tuple[Floats, Floats]:
    """(Baseline, candidate) of values in the order A B B A and again."""
    pairs = values.reshape(-1, 2).copy()
    pairs[1::2] = pairs[1::2, ::-1]
    return pairs[:, 0], pairs[:, 1]


def one_after_the_other(values: Floats) -> tuple[Floats, Floats]:
    """(Baseline, candidate) of values first of the one, then of the other: it shows what interleaving is for."""
    return values[: len(values) // 2], values[len(values) // 2 :]


Order = Callable[[Floats], tuple[Floats, Floats]]


def compared(
    kind: str, noise: float, factor: float, seed: int, count: int = PART, order: Order = interleaved, pairs: int = 0
) -> Outcome:
    """``count`` comparisons of sides that are ``factor`` apart; with a fixed number of ``pairs`` where one is given."""
    random = np.random.default_rng((seed, len(kind), round(1e4 * noise), round(1e4 * factor)))
    claims, blocks = 0, 0
    for number in range(count):
        if kind == UNEVEN:
            logs = (_normal(random, PAIRS), _skewed(random, PAIRS))
        else:
            logs = order(NOISES[kind](random, 2 * (pairs or PAIRS)))
        sides = 1000 * np.exp(noise * logs[0]), 1000 * factor * np.exp(noise * logs[1])
        claimed, used = _fixed(*sides, number) if pairs else _looked_at(*sides)
        claims, blocks = claims + claimed, blocks + 2 * used
    return Outcome(count, claims, blocks / count)


def latencies_compared(noise: float, factor: float, seed: int, count: int = PART) -> Outcome:
    """The same of the p99 at equal load: a queue whose speed differs from block to block, arrivals shared by a pair."""
    random = np.random.default_rng((seed, round(1e4 * noise), round(1e4 * factor)))
    server, rate = SimulatedServer(service=0.001), 700.0
    claims, blocks = 0, 0
    for _ in range(count):
        slowness = interleaved(np.exp(noise * random.standard_normal(2 * PAIRS)))
        seeds = random.integers(2**62, size=PAIRS)
        times = [schedule("poisson", 1500, 0, rate, int(seed)) for seed in seeds]
        sides = [
            np.array(
                [np.quantile(server.latencies(t, speed * slow), 0.99) for t, slow in zip(times, side, strict=True)]
            )
            for side, speed in zip(slowness, (1.0, factor), strict=True)
        ]
        claimed, used = _looked_at(1 / sides[0], 1 / sides[1])
        claims, blocks = claims + claimed, blocks + 2 * used
    return Outcome(count, claims, blocks / count)


def _looked_at(baseline: Floats, candidate: Floats) -> tuple[bool, int]:
    """(Was a difference claimed, pairs used), as the product looks at them."""
    pairs = LOOKS[0]
    while (wanted := next_look(baseline[:pairs].tolist(), candidate[:pairs].tolist(), CONFIDENCE)) is not None:
        pairs = wanted
    interval = paired_ratio(baseline[:pairs].tolist(), candidate[:pairs].tolist(), CONFIDENCE, 0, LOOKS)
    return interval.low > 1 or interval.high < 1, pairs


def _fixed(baseline: Floats, candidate: Floats, seed: int) -> tuple[bool, int]:
    interval = paired_ratio(baseline.tolist(), candidate.tolist(), CONFIDENCE, seed)
    return interval.low > 1 or interval.high < 1, len(baseline)


def _many(work: Callable[[int, int], Outcome], comparisons: int, pool: ProcessPoolExecutor) -> Outcome:
    """The work in parts, ``work(seed, count)`` each, put together."""
    counts = [min(PART, comparisons - begin) for begin in range(0, comparisons, PART)]
    parts = list(pool.map(work, range(len(counts)), counts))
    return Outcome(
        sum(part.comparisons for part in parts),
        sum(part.claims for part in parts),
        sum(part.blocks * part.comparisons for part in parts) / comparisons,
    )


def _work(kind: str, noise: float, factor: float, order: Order, pairs: int, seed: int, count: int) -> Outcome:
    return compared(kind, noise, factor, seed, count, order, pairs)


def _latency_work(noise: float, factor: float, seed: int, count: int) -> Outcome:
    return latencies_compared(noise, factor, seed, count)


def main(argv: Sequence[str] | None = None) -> int:
    """Compare, write; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(prog="bench.load_comparison", description=__doc__)
    parser.add_argument("--claims", type=int, default=20_000, help="comparisons of equal sides")
    parser.add_argument("--powers", type=int, default=4_000, help="comparisons of different sides")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args(argv)
    figures: list[Figure] = []
    with ProcessPoolExecutor(given.jobs) as pool:

        def run(kind: str, noise: float, factor: float, order: Order = interleaved, pairs: int = 0) -> Outcome:
            count = given.claims if factor == 1 else given.powers
            return _many(partial(_work, kind, noise, factor, order, pairs), count, pool)

        for kind in (*NOISES, UNEVEN):
            figures += _claimed(f"{kind} noise of 10 %", run(kind, 0.10, 1.0), "<= 1")
        for kind in (*NOISES, UNEVEN):
            figures += _found(f"5 % at {kind} noise of 3 %", run(kind, 0.03, 1.05), ">= 90")
        figures += _found("30 % at normal noise of 3 %", run("normal", 0.03, 1.3), ">= 90")
        figures += _found("nothing to find at normal noise of 3 %", run("normal", 0.03, 1.0), None)
        figures += _found(
            f"5 % at normal noise of 3 %, {BLOCKS} blocks fixed", run("normal", 0.03, 1.05, pairs=BLOCKS // 2), None
        )
        apart = run("drifting", 0.10, 1.0, one_after_the_other, BLOCKS // 2)
        figures += _claimed("drifting noise of 10 %, one side after the other", apart, None)
        for noise in (0.03, 0.10):
            alike = _many(partial(_latency_work, noise, 1.0), min(given.claims, LATENCIES), pool)
            figures += _claimed(f"latency at equal load, speed noise of {noise:.0%}", alike, "<= 1")
        faster = _many(partial(_latency_work, 0.03, 0.95), min(given.powers, LATENCIES // 4), pool)
        figures += _found("latency at equal load, 5 % faster at speed noise of 3 %", faster, None)
    command = ["python", "-m", "bench.load_comparison", *(sys.argv[1:] if argv is None else argv)]
    write("load-comparison", figures, [{"confidence": CONFIDENCE, "looks": LOOKS}], command, MEASURED)
    return 0 if all(figure.met is not False for figure in figures) else 1


def _claimed(what: str, outcome: Outcome, goal: str | None) -> list[Figure]:
    """The goal is held by the upper limit, not by the share seen."""
    share, _, high = outcome.share()
    return [
        Figure.of(f"false claims, {what}", share, "%", interval=(0.0, high)),
        Figure.of(f"false claims at most, {what}", high, "%", goal=goal),
    ]


def _found(what: str, outcome: Outcome, goal: str | None) -> list[Figure]:
    share, low, high = outcome.share()
    return [
        Figure.of(f"claims, {what}", share, "%", interval=(low, high), goal=goal),
        Figure.of(f"blocks, {what}", outcome.blocks, "blocks"),
    ]


if __name__ == "__main__":
    sys.exit(main())
