"""One run of the search benchmark: a method on a model, from the same start, and how its trials are scored."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
from pydantic import Field

from tuner.replay.advice import Adviser
from tuner.replay.recording import Noise, Recording
from tuner.replay.run import Step, best_measured, replay
from tuner.replay.strategy import Strategy, strategy_named
from tuner.space.assignment import Assignment
from tuner.value import Value

__all__ = ["AFTER", "FEWEST", "REGRET", "SCORING", "SHARES", "Recommendation", "Row", "scored"]

SHARES = {"5": 0.95, "1": 0.99, "0": 1.0}
"""How much of the optimum counts as within 5 %, 1 % and 0 % of it."""
REGRET = (5, 10, 20)
FEWEST = 20
"""Trials that every run has, so that regrets and recommendations are known; then it ends at the optimum."""
AFTER, SPREAD = 10, 20
"""Trials of the search after which the model's predictions are judged, and evenly spread ones after which they are
judged as those of a predictor, which nobody would teach with what a search prefers."""
MARGIN = 0.9
"""A recommendation is compared with the best configuration at this share of the limit."""
SCORING = 1
"""To be raised when what counts of a method's trials changes: other tools' runs are measured again then."""
_EXACT = 1e-9
_KEPT = {"table", "model", "seed", "noise", "method", "trials_to", "regret", "infeasible", "ask_ms"}


class Recommendation(Value):
    """What is recommended after 20 trials, judged by the truth.

    ``share`` is its merit by that of the best configuration at 90 % of the limit; ``None`` where there is none such.
    """

    holds: bool
    share: float | None


class Row(Value):
    """One run. ``regret`` is the share of the optimum that is missing; ``None`` for a model without feasible cells.

    ``trials`` is their number and ``infeasible`` of how many the truth breaks a limit; ``failed``
    of the first ten did not even run; ``ask_ms`` is the median time of
    a proposal. ``none_after`` is after how many trials the method said that nothing holds the limits. ``coverage`` is
    the share of all cells in the 90 % intervals, ``accuracy`` one minus the mean error of the predicted merit (which is
    that of the throughput, as the cost is known), ``accuracy_within`` that over the cells that hold the limits, and
    ``accuracy_spread`` that over the other cells after evenly spread trials. ``secure``: some cell holds the limits
    with the margin that recommendations are compared at. ``cpu_s`` is the processor's time in this process for the run
    and, in the first of several that share it, for what was learned before it.
    """

    table: str
    model: str
    family: str
    seed: int
    noise: float
    method: str
    trials_to: dict[str, int | None]
    regret: dict[str, float | None]
    infeasible: int
    failed: int
    trials: int
    ask_ms: float
    ask_ms_worst: float
    solvable: bool
    recommended: Recommendation | None = None
    none_after: int | None = None
    coverage: float | None = Field(None, ge=0, le=1)
    accuracy: float | None = None
    accuracy_within: float | None = None
    accuracy_spread: float | None = None
    secure: bool = False
    cpu_s: float = 0.0

    def run(self) -> dict[str, Any]:
        """What a result holds of it."""
        return self.model_dump(include=_KEPT)


def scored(about: dict[str, Any], recording: Recording, strategy: Strategy, adviser: Adviser | None, most: int) -> Row:
    """Run the strategy until it reached the optimum and ``FEWEST`` trials are over, or until ``most`` are."""
    best = recording.best
    steps: list[Step] = []
    none_after: int | None = None
    for step in replay(recording, strategy, Noise(about["noise"], about["seed"])):
        steps.append(step)
        if none_after is None and adviser is not None and adviser.hopeless(steps) is not None:
            none_after = step.number
        reached = best is None or _first(steps, best.merit * (1 - _EXACT)) is not None
        if step.number >= most or (reached and step.number >= FEWEST):
            break
    asked = [step.ask_ms for step in steps]
    judged = {} if adviser is None else _judged(recording, adviser, steps[:AFTER], Noise(about["noise"], about["seed"]))
    return Row(
        **about,
        trials_to={
            name: None if best is None else _first(steps, best.merit * (share - _EXACT))
            for name, share in SHARES.items()
        },
        regret={str(count): _regret(recording, steps[:count]) for count in REGRET},
        infeasible=sum(step.worth is None for step in steps),
        failed=sum(step.tried.outcome == "failed" for step in steps[:AFTER]),
        trials=len(steps),
        ask_ms=statistics.median(asked),
        ask_ms_worst=max(asked),
        solvable=best is not None,
        recommended=_recommendation(recording, adviser, steps[:FEWEST]),
        none_after=none_after,
        secure=_best_within(recording, MARGIN) is not None,
        **judged,
    )


def _first(steps: Sequence[Step], merit: float) -> int | None:
    """The trial that first had this true merit."""
    return next((step.number for step in steps if step.worth is not None and step.worth >= merit), None)


def _regret(recording: Recording, steps: Sequence[Step]) -> float | None:
    if recording.best is None:
        return None
    found = max((step.worth for step in steps if step.worth is not None), default=0.0)
    return max(1 - found / recording.best.merit, 0.0)


def _recommendation(recording: Recording, adviser: Adviser | None, steps: Sequence[Step]) -> Recommendation | None:
    """By the model where the method has one, else the best that was measured."""
    if adviser is not None:
        chosen: Assignment | None = adviser.recommended(steps)
    else:
        measured = best_measured(steps)
        chosen = None if measured is None else measured.assignment
    if chosen is None:
        return None
    worth, safe = recording.worth(chosen), _best_within(recording, MARGIN)
    share = None if safe is None else 0.0 if worth is None else worth / safe
    return Recommendation(holds=worth is not None, share=share)


def _best_within(recording: Recording, margin: float) -> float | None:
    """The best merit of those that hold every limit with a margin."""
    found = [
        worth
        for assignment in recording.cells
        if (worth := recording.worth(assignment)) is not None
        and (recording.excess(recording.tried(assignment)) or 0.0) <= float(np.log(margin))
    ]
    return max(found, default=None)


def _judged(recording: Recording, adviser: Adviser, steps: Sequence[Step], noise: Noise) -> dict[str, float | None]:
    """How good the model's predictions are: after these trials of the search, and after evenly spread ones."""
    cells = list(recording.cells)
    inside, errors = _errors(recording, adviser, steps, cells)
    within = [error for error, cell in zip(errors, cells, strict=True) if recording.worth(cell) is not None]
    spread = list(
        islice(replay(recording, strategy_named("qmc", recording, seed=noise.seed, trials=SPREAD), noise), SPREAD)
    )
    seen = {step.assignment for step in spread}
    others = [cell for cell in cells if cell not in seen]
    return {
        "coverage": statistics.fmean(inside),
        "accuracy": 1 - statistics.fmean(errors),
        "accuracy_within": 1 - statistics.fmean(within) if within else None,
        "accuracy_spread": 1 - statistics.fmean(_errors(recording, adviser, spread, others)[1]) if others else None,
    }


def _errors(
    recording: Recording, adviser: Adviser, steps: Sequence[Step], cells: Sequence[Assignment]
) -> tuple[list[bool], list[float]]:
    """By metric and cell whether the truth lies in the interval, and by cell the relative error of the merit."""
    weights = recording.aim.objectives[0].weights
    inside: list[bool] = []
    errors: list[float] = []
    for assignment, prediction in zip(cells, adviser.predictions(steps, cells), strict=True):
        truth = recording.cells[assignment].values
        inside += [expected.low <= truth[name] <= expected.high for name, expected in prediction.metrics.items()]
        logs = sum(weight * np.log(prediction.metrics[name].value / truth[name]) for name, weight in weights.items())
        errors.append(abs(float(np.expm1(logs))))
    return inside, errors
