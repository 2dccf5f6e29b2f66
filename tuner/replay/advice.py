"""What tuner's model says beside its proposals: what it would recommend, and when nothing can hold the limits."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.experience.model import Earlier, Tried
from tuner.replay.recording import Best, Recording
from tuner.replay.run import Step, nearest_miss
from tuner.search.learner import Learner, Prediction
from tuner.space.assignment import Assignment

__all__ = ["Adviser", "missed", "share_of"]

_HOPELESS = 0.02
"""Below this probability for every configuration, none is expected to hold the limits."""


class Adviser:
    """The model of one service. It remembers nothing between calls."""

    def __init__(self, recording: Recording, experience: Sequence[Earlier] = (), seed: int = 0) -> None:
        self._recording = recording
        self._learner = Learner(recording.space, recording.aim, tuple(experience), seed=seed)

    def recommended(self, steps: Sequence[Step]) -> Assignment | None:
        """The best of what was tried; ``None`` where of nothing it is credible that it holds the limits."""
        found = self._learner.recommend(_tried(steps))
        return None if found is None else found.assignment

    def predictions(self, steps: Sequence[Step], assignments: Sequence[Assignment]) -> tuple[Prediction, ...]:
        """What is expected of the configurations after these trials."""
        return self._learner.predict(_tried(steps), assignments)

    def hopeless(self, steps: Sequence[Step]) -> str | None:
        """Why no further trial can be expected to hold the limits, with the nearest miss; ``None`` while one may."""
        if not self._recording.aim.limits or any(step.holds for step in steps):
            return None
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
