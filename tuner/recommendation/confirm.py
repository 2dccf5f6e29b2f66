"""Is it really better: candidate and baseline measured again, interleaved, on the same arrivals.

The blocks run A B B A A B B A …, so that a drift of the machine meets both sides alike; the two blocks of a pair share
the seed of their arrivals. After stated numbers of pairs (``measurement.compare.LOOKS``) the comparison is looked at,
and no more blocks are run once it is certain; each look has its part of the error, so looking early does not make
"better" true too often. A block that fails ends it at once, and that can only lead to keeping the baseline. Where
several candidates are confirmed in turn, each gets an equal part of the error that the spec allows (Bonferroni,
``shared_confidence``), so that the confidence holds for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Annotated, Literal

from pydantic import Field

from tuner.engine.workload import Resources
from tuner.measurement.compare import LEAST_PAIRS, LOOKS, WORTHWHILE, next_look, paired_ratio
from tuner.measurement.model import Interval
from tuner.recommendation.cost import cost_of
from tuner.recommendation.model import Comparison, Side
from tuner.search.objective import Goal, Metrics, cost_per_million
from tuner.space.assignment import Assignment
from tuner.trial.outcome import Completed, Failed, FailureKind, Outcome
from tuner.value import Value

__all__ = [
    "BLOCKS",
    "Block",
    "BlockErrored",
    "BlockFailed",
    "BlockMeasured",
    "BlockResult",
    "Confirmation",
    "Contender",
    "result_of",
    "shared_confidence",
    "shared_rate",
]

BLOCKS = 12
"""About how many blocks a confirmation takes, both sides together: fewer where the difference is large."""

_FREE = 1e-12
"""What replicas without a price cost, so that two of them compare as equal."""

ATTEMPTS = 3
"""How often a block is run while it is the machine that fails, the first time included."""


class Contender(Value):
    """One side of a confirmation: what runs (by digest) and with which resources it is paid for."""

    assignment: Assignment
    workload: str
    resources: Resources


class Block(Value):
    """One block to measure: the side, and the seed of its arrivals. ``attempt`` counts from 1."""

    index: int
    pair: int
    side: Literal["baseline", "candidate"]
    seed: int
    attempt: int = 1


class BlockMeasured(Value):
    """What one block measured: capacity in requests per second; latency in seconds by percentile at the shared rate."""

    kind: Literal["measured"] = "measured"
    capacity: float = Field(gt=0)
    latency: dict[str, float]


class BlockFailed(Value):
    """The configuration's fault: it did not start, died, or met the SLO at no load."""

    kind: Literal["failed"] = "failed"
    reason: str = Field(min_length=1)


class BlockErrored(Value):
    """The machine's or the generator's fault: the block is run again."""

    kind: Literal["errored"] = "errored"
    reason: str = Field(min_length=1)


BlockResult = Annotated[BlockMeasured | BlockFailed | BlockErrored, Field(discriminator="kind")]


def result_of(outcome: Outcome, goal: Goal) -> BlockResult:
    """What a trial of one block says: only a completed one, with every figure that the goal compares, is measured.

    Both sides bore a load in their trials. One that suddenly bears none was disturbed as likely as not, so its block is
    run again before it counts.
    """
    if isinstance(outcome, Failed) and outcome.failure is FailureKind.INFEASIBLE:
        return BlockErrored(reason=outcome.reason)
    if isinstance(outcome, Failed):
        return BlockFailed(reason=f"{outcome.failure.value}: {outcome.reason}")
    if not isinstance(outcome, Completed):
        return BlockErrored(reason=outcome.reason)
    measurement = outcome.measurement
    if measurement.capacity is None or measurement.capacity.rate.value <= 0:
        return BlockErrored(reason="no load met the SLO")
    latency = {} if measurement.at_rate is None else measurement.at_rate.latency
    if "latency" in goal.objective.metrics and goal.latency_percentile not in latency:
        return BlockErrored(reason=f"the {goal.latency_percentile} at the stated rate was not measured")
    return BlockMeasured(capacity=measurement.capacity.rate.value, latency=latency)


def shared_confidence(confidence: float, candidates: int) -> float:
    """The confidence of each of ``candidates`` comparisons so that all of them hold together with ``confidence``."""
    return 1 - (1 - confidence) / candidates


def shared_rate(stated: float | None, expected: float | None, capacities: Sequence[float]) -> float:
    """Requests per second at which both sides' latency is compared.

    The objective's stated rate; else the traffic expected in production where both sides bear it; else four fifths of
    the smaller capacity.
    """
    safe = 0.8 * min(capacities)
    if stated is not None:
        return stated
    return expected if expected is not None and expected <= safe else safe


class Confirmation:
    """One comparison, block by block. Finished blocks of a killed process are handed in again with ``record``."""

    def __init__(
        self,
        goal: Goal,
        baseline: Contender,
        candidate: Contender,
        *,
        confidence: float,
        seed: int,
        looks: Sequence[int] = LOOKS,
        expected: float | None = None,
    ) -> None:
        """Look after these numbers of ``pairs``; ``confidence`` is that of this comparison's interval (0..1)."""
        if not looks or min(looks) < LEAST_PAIRS:
            raise ValueError(f"a confirmation needs at least {LEAST_PAIRS} pairs of blocks before a look")
        if not 0 < confidence < 1:
            raise ValueError("the confidence lies between 0 and 1")
        self._goal = goal
        self._sides = {"baseline": baseline, "candidate": candidate}
        self._confidence = confidence
        self._seed = seed
        self._expected = expected
        self._looks = tuple(looks)
        self._plan = tuple(_blocks(self._looks[-1], seed))
        self._out_of_time = False
        self._done: dict[int, BlockMeasured | BlockFailed] = {}
        self._errors: dict[int, list[str]] = {}

    @property
    def plan(self) -> tuple[Block, ...]:
        """Every block that there may be, in the order in which they run."""
        return self._plan

    @property
    def failure(self) -> str | None:
        """Why there will be no comparison, where a block failed or could not be run."""
        for block in self._plan:
            result = self._done.get(block.index)
            if isinstance(result, BlockFailed):
                return f"the {block.side} failed in block {block.index + 1}: {result.reason}"
            errors = self._errors.get(block.index, [])
            if len(errors) >= ATTEMPTS:
                return f"block {block.index + 1} could not be measured in {ATTEMPTS} attempts: {errors[-1]}"
        return None

    @property
    def beyond(self) -> str | None:
        """Why the candidate cannot serve today's band after all, where it takes more replicas than are allowed."""
        bands, blocks = self._goal.bands, self._measured("candidate")
        if bands is None or not blocks:
            return None
        replicas = bands.replicas(bands.rate, self._certified(blocks).low)
        if bands.allowed(replicas):
            return None
        return (
            f"the candidate would take {replicas} replicas for up to {bands.rate:g} requests/s, and at most "
            f"{bands.counts[-1]} are allowed"
        )

    def next(self) -> Block | None:
        """The block to measure now; ``None`` when it is certain, at the last look, out of time, or one has failed."""
        if self.failure is not None or self._certain():
            return None
        block = next((block for block in self._plan if block.index not in self._done), None)
        tried = len(self._errors.get(block.index, [])) if block is not None else 0
        return None if block is None else block.model_copy(update={"attempt": tried + 1})

    def out_of_time(self) -> None:
        """Let the next look be the last one."""
        self._out_of_time = True

    def record(self, block: Block, result: BlockResult) -> None:
        """Take in the result of a block, in any order; the same block again changes nothing.

        ValueError for a block that is not in the plan, which means that the plan is another one.
        """
        if block.model_copy(update={"attempt": 1}) not in self._plan:
            raise ValueError(
                f"block {block.index} ({block.side}, seed {block.seed}) is not in this confirmation's plan"
            )
        if isinstance(result, BlockErrored):
            errors = self._errors.setdefault(block.index, [])
            if block.attempt > len(errors):
                errors.append(result.reason)
            return
        self._done.setdefault(block.index, result)

    def comparison(self) -> Comparison | None:
        """The result; ``None`` until it is certain, or the last look was taken."""
        if self.failure is not None or not self._certain():
            return None
        baseline, candidate = self._measured("baseline"), self._measured("candidate")
        fleet = self._fleet_ratio()
        merits = self._merits("baseline", baseline), self._merits("candidate", candidate)
        return Comparison(
            metric=_metric(self._goal),
            rate=self._goal.bands.rate if self._goal.bands is not None else None,
            baseline=self._side("baseline", baseline),
            candidate=self._side("candidate", candidate),
            ratio=fleet or paired_ratio(*merits, self._confidence, self._seed, self._looks),
            confidence=self._confidence,
            order="".join("A" if block.side == "baseline" else "B" for block in self._plan[: 2 * len(baseline)]),
        )

    def _certain(self) -> bool:
        """True at a look after which no more blocks are needed."""
        pairs, rest = divmod(len(self._done), 2)
        if rest or pairs not in self._looks or set(self._done) != set(range(2 * pairs)):
            return False
        if self._out_of_time:
            return True
        if (fleet := self._fleet_ratio()) is not None:
            return pairs == self._looks[-1] or fleet.low > 1 or fleet.high < 1 + WORTHWHILE
        baseline, candidate = (self._merits(side, self._measured(side)) for side in ("baseline", "candidate"))
        return next_look(baseline, candidate, self._confidence, self._looks) is None

    def _fleet_ratio(self) -> Interval | None:
        """With bands: the baseline's money for all its replicas over the candidate's, at today's rate.

        Whole replicas are a staircase in the capacity, so the interval goes from the baseline at its best against the
        candidate at its worst to the reverse; each side has half of the error that the confidence leaves. What is paid
        is paid for the replicas that certainly suffice.
        """
        bands = self._goal.bands
        if bands is None:
            return None
        bills = []
        for side in ("baseline", "candidate"):
            capacity = self._certified(self._measured(side))
            hourly = self._goal.hourly(self._sides[side].resources)
            least, most = (
                max(hourly * bands.replicas(bands.rate, end), _FREE) for end in (capacity.high, capacity.low)
            )
            bills.append((least, most))
        (before_least, before), (after_least, after) = bills
        return Interval(value=before / after, low=before_least / after, high=before / after_least)

    def _certified(self, blocks: Sequence[BlockMeasured]) -> Interval:
        """Geometric mean of one side's capacities with its interval, which has half of the error."""
        capacities = [block.capacity for block in blocks]
        confidence = shared_confidence(self._confidence, 2)
        return paired_ratio([1.0] * len(capacities), capacities, confidence, self._seed, self._looks)

    def _measured(self, side: str) -> list[BlockMeasured]:
        """The side's measured blocks by pair."""
        mine = sorted((block for block in self._plan if block.side == side), key=lambda block: block.pair)
        found = (self._done.get(block.index) for block in mine)
        return [block for block in found if isinstance(block, BlockMeasured)]

    def _merits(self, side: str, blocks: Sequence[BlockMeasured]) -> list[float]:
        hourly = self._goal.hourly(self._sides[side].resources)
        return [self._goal.merit(self._metrics(block, hourly)) for block in blocks]

    def _metrics(self, block: BlockMeasured, hourly: float) -> Metrics:
        latency = block.latency.get(self._goal.latency_percentile)
        cost = cost_per_million(hourly, block.capacity)
        return Metrics(capacity=block.capacity, hourly=hourly, cost=cost, latency=latency)

    def _side(self, side: str, blocks: Sequence[BlockMeasured]) -> Side:
        contender = self._sides[side]
        capacities, bands = tuple(block.capacity for block in blocks), self._goal.bands
        middle = math.exp(sum(map(math.log, capacities)) / len(capacities))
        capacity = Interval(value=middle, low=min(capacities), high=max(capacities))
        expected: float | None = self._expected
        counts: tuple[int, ...] = ()
        if bands is not None:
            capacity, expected, counts = self._certified(blocks), bands.rate, bands.counts
        common = set.intersection(*(set(block.latency) for block in blocks))
        return Side(
            assignment=contender.assignment,
            workload=contender.workload,
            capacities=capacities,
            latency={name: median(block.latency[name] for block in blocks) for name in sorted(common)},
            cost=cost_of(capacity, contender.resources, self._goal.prices, expected, counts),
        )


def _blocks(pairs: int, seed: int) -> list[Block]:
    sides: tuple[Literal["baseline", "candidate"], ...] = ("baseline", "candidate")
    blocks: list[Block] = []
    for pair in range(pairs):
        for side in sides if pair % 2 == 0 else reversed(sides):
            blocks.append(Block(index=len(blocks), pair=pair, side=side, seed=seed + pair))
    return blocks


def _metric(goal: Goal) -> Literal["cost", "capacity", "latency", "weighted", "pareto", "fleet"]:
    if goal.bands is not None:
        return "fleet"
    if goal.objective.goal == "weighted" or goal.objective.goal == "pareto":
        return goal.objective.goal
    return goal.objective.metrics[0]
