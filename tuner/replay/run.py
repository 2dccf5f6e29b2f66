"""A search on recorded data: one trial after another, what each measured, and why it ended."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tuner.experience.model import Tried
from tuner.replay.recording import Best, Noise, Recording
from tuner.replay.strategy import Strategy
from tuner.space.assignment import Assignment

__all__ = ["GAIN", "Step", "best_in", "best_measured", "nearest_miss", "plateau", "replay", "share_so_far"]

GAIN = 0.01
"""A search that gained less over a stretch of trials has come to rest."""


@dataclass(frozen=True, slots=True)
class Step:
    """One trial, counted from 1. ``merit`` and ``holds`` are what it measured, ``worth`` is the recording's truth.

    ``worth`` is ``None`` where the configuration fails or truly breaks a limit; ``ask_ms`` is the time to choose it.
    """

    number: int
    tried: Tried
    merit: float | None
    holds: bool
    worth: float | None
    ask_ms: float

    @property
    def assignment(self) -> Assignment:
        """The configuration."""
        return self.tried.assignment


def replay(recording: Recording, strategy: Strategy, noise: Noise) -> Iterator[Step]:
    """Trials for as long as more of them are taken, and the strategy has something left to try."""
    number = 0
    while True:
        began = time.perf_counter()
        assignment = strategy.ask()
        asked = (time.perf_counter() - began) * 1000
        if assignment is None:
            return
        number += 1
        tried = noise.on(recording.tried(assignment), number)
        strategy.tell(tried)
        worth = recording.worth(assignment)
        yield Step(number, tried, recording.merit(tried), recording.holds(tried), worth, asked)


def best_measured(steps: Sequence[Step]) -> Best | None:
    """The best of what measured within the limits; of a configuration that was repeated, the first measurement."""
    held = [Best(step.assignment, step.merit) for step in steps if step.holds and step.merit is not None]
    return max(held, key=lambda best: best.merit, default=None)


def best_in(recording: Recording, steps: Sequence[Step], band: int) -> Best | None:
    """The best of what measured within the limits in one band, with the merit that it measured there."""
    held = [(step, recording.merits(step.tried)) for step in steps if step.holds]
    known = [Best(step.assignment, merits[band]) for step, merits in held if merits is not None]
    return max(known, key=lambda best: best.merit, default=None)


def share_so_far(recording: Recording, steps: Sequence[Step]) -> float | None:
    """How much of the optimum the truly best so far is, as the geometric mean over all bands; ``None`` without one."""
    worths = [worth for step in steps if (worth := recording.worths(step.assignment)) is not None]
    if not worths or not recording.bests:
        return None
    shares = [max(each) / best.merit for each, best in zip(zip(*worths, strict=True), recording.bests, strict=True)]
    return math.exp(sum(map(math.log, shares)) / len(shares))


def nearest_miss(recording: Recording, steps: Sequence[Step]) -> tuple[Step, float] | None:
    """The trial that broke its limits least, and by how much (0.1 is 10 %); ``None`` where none ran and broke any."""
    missed = [(step, excess) for step in steps if (excess := recording.excess(step.tried) or 0.0) > 0]
    found = min(missed, key=lambda pair: pair[1], default=None)
    return None if found is None else (found[0], math.expm1(found[1]))


def plateau(recording: Recording, trials: int) -> Callable[[Sequence[Step]], str | None]:
    """Ends a search whose last ``trials`` trials together gained less than 1 %, on average over the bands."""

    def reason(steps: Sequence[Step]) -> str | None:
        gains = []
        for band in range(len(recording.aim.objectives)):
            before, now = best_in(recording, steps[:-trials], band), best_in(recording, steps, band)
            if before is None or now is None:
                return None
            gains.append(math.log(now.merit / before.merit))
        if sum(gains) / len(gains) >= math.log1p(GAIN) - 1e-12:
            return None
        return f"the last {trials} trials gained less than {GAIN:.0%}"

    return reason
