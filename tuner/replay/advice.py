"""What tuner's model says beside its proposals: what it would recommend, and when nothing can hold the limits."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tuner.experience.model import Tried
from tuner.replay.recording import Best, Recording
from tuner.replay.run import Step, nearest_miss
from tuner.search.learned import TunerSampler
from tuner.search.learner import Prediction
from tuner.search.stopping import FEWEST, LEAST_GAIN, PATIENCE
from tuner.space.assignment import Assignment

__all__ = ["Adviser", "missed", "share_of"]

_HOPELESS = 0.1
"""Below this probability for every configuration, none is expected to hold the limits.

On four models of four families, bounds that one or three of 800 configurations hold kept the likeliest above 0.11 in
all of 25 trials; bounds 12 % below the least latency brought it under 0.1 within 5 to 11.
"""


class Adviser:
    """The model of one service. It remembers nothing between calls."""

    def __init__(self, recording: Recording, sampler: TunerSampler) -> None:
        """``sampler`` was made by ``tuner_sampler`` for the same recording; ValueError for one without a space."""
        if sampler.learner is None:
            raise ValueError("the sampler was given no space")
        self._recording, self._learner = recording, sampler.learner

    def recommended(self, steps: Sequence[Step], band: int = 0) -> Assignment | None:
        """The best of what was tried; ``None`` where of nothing it is credible that it holds the limits."""
        found = self._learner.recommend(_tried(steps), band)
        return None if found is None else found.assignment

    def predictions(self, steps: Sequence[Step], assignments: Sequence[Assignment]) -> tuple[Prediction, ...]:
        """What is expected of the configurations after these trials."""
        return self._learner.predict(_tried(steps), assignments)

    def settled(self, steps: Sequence[Step]) -> str | None:
        """Why another trial is not worth it, by the rule that ends a campaign; ``None`` while one is.

        A cold learner takes a local optimum for the best, so it has to say so several times in a row.
        """
        if len(steps) < FEWEST or not any(step.holds for step in steps):
            return None
        expected = 0.0
        for back in range(1 if self._learner.informed else PATIENCE):
            gain = self._gain(_tried(steps[: len(steps) - back]))
            if gain is None or gain >= LEAST_GAIN:
                return None
            expected = expected or gain
        return f"another trial is expected to gain {math.expm1(expected):.1%}"

    def _gain(self, tried: Sequence[Tried]) -> float | None:
        """What the best proposal after these trials is expected to gain."""
        noisy = any(reading.error > 0 for one in tried for reading in one.readings)
        choice = self._learner.choose(tried, repeat=noisy)
        return None if choice is None else choice.gain

    def hopeless(self, steps: Sequence[Step]) -> str | None:
        """Why no trial can be expected to hold the limits, with the nearest miss; ``None`` while one may.

        One that measured within them by luck, where measurements are noisy, is no reason to go on for ever.
        """
        if not self._recording.aim.limits or len(steps) < FEWEST:
            return None  # a model that has seen one trial alone takes all others for its like
        likeliest = max(one.holds for one in self.predictions(steps, self._recording.candidates))
        if likeliest >= _HOPELESS:
            return None
        return f"no configuration is expected to hold the limits (the likeliest at {likeliest:.1%}); " + missed(
            self._recording, steps
        )


def missed(recording: Recording, steps: Sequence[Step]) -> str:
    """The nearest miss, in words."""
    found = nearest_miss(recording, steps)
    if found is None:
        return "every trial failed"
    step, over = found
    return f"the nearest miss is {step.assignment}, {over:.1%} over"


def share_of(best: Best | None, worth: float | None) -> float | None:
    """How much of the optimum a merit is; ``None`` where there is no optimum or no merit."""
    return None if best is None or worth is None else worth / best.merit


def _tried(steps: Sequence[Step]) -> list[Tried]:
    return [step.tried for step in steps]
