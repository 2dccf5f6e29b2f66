"""How much each parameter mattered for the trials that were run."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import optuna
from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import create_trial
from pydantic import Field

from tuner.search.encoding import axes_of
from tuner.search.objective import Goal, Metrics
from tuner.search.record import Entry
from tuner.space.space import Space
from tuner.value import Value

__all__ = ["Importance", "importance"]

_FEWEST = 8
_FLAT = 0.01
"""Merits closer together than this (1 %) are the same for all that a measurement can tell."""


class Importance(Value):
    """Shares of the parameters that sum to 1, or none and the reason why nothing honest can be said."""

    shares: dict[str, float] = Field(default_factory=dict)
    method: str = ""
    reason: str = ""


def importance(history: Sequence[Entry], space: Space, goal: Goal, seed: int = 0) -> Importance:
    """Importance for the logarithm of the merit, over completed trials; with bands, of its mean over all of them.

    fANOVA (F. Hutter et al., "An efficient approach for assessing hyperparameter importance", ICML 2014); PED-ANOVA
    (S. Watanabe et al., IJCAI 2023) where parameters are conditional, as it alone can tell about those.
    """
    axes = [axis for axis in axes_of(space) if not axis.searched.single()]
    scored = [(entry, _merit(goal, metrics)) for entry in history if (metrics := entry.metrics) is not None]
    scored = [item for item in scored if all(axis.fits(item[0].assignment) for axis in axes)]
    needed = max(_FEWEST, 2 * len(axes))
    if not axes:
        return Importance(reason="no parameter varies")
    if len(scored) < needed:
        return Importance(reason=f"too few trials: {len(scored)} were completed, {needed} are needed")
    merits = [merit for _, merit in scored]
    if max(merits) - min(merits) < _FLAT:
        return Importance(reason="all trials are within 1 % of each other")
    study = optuna.create_study(direction="maximize")
    for entry, merit in scored:
        present = [axis for axis in axes if axis.parameter.name in entry.assignment]
        study.add_trial(
            create_trial(
                value=merit,
                params={a.parameter.name: a.encode(entry.assignment[a.parameter.name]) for a in present},
                distributions={axis.parameter.name: axis.searched for axis in present},
            )
        )
    return _evaluated(study, seed, conditional=any(axis.parameter.when for axis in axes))


def _merit(goal: Goal, metrics: Metrics) -> float:
    logs = [math.log(merit) for merit in goal.merits(metrics)]
    return sum(logs) / len(logs)


def _evaluated(study: optuna.Study, seed: int, *, conditional: bool) -> Importance:
    evaluator = PedAnovaImportanceEvaluator() if conditional else FanovaImportanceEvaluator(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shares = get_param_importances(study, evaluator=evaluator)
    if not shares or not all(math.isfinite(share) for share in shares.values()):
        return Importance(reason="the trials do not tell the parameters apart")
    return Importance(
        shares={name: float(share) for name, share in shares.items()},
        method="PED-ANOVA" if conditional else "fANOVA",
    )
