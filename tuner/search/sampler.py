"""The samplers that a spec may name, set up for few trials."""

from __future__ import annotations

import warnings

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    NSGAIISampler,
    RandomSampler,
    TPESampler,
)

from tuner.errors import UserError
from tuner.spec.model import Search as Settings

__all__ = ["GUIDED", "REPLAYED", "check_sampler", "make_sampler", "startup_points"]

GUIDED = frozenset({"tpe", "cmaes"})
"""Samplers that learn from a few points spread over the space before they choose themselves."""

REPLAYED = frozenset({"nsga2", "cmaes"})
"""Samplers that keep their state in the trials they asked for, so that history has to be asked for again."""


def check_sampler(settings: Settings, *, objectives: int, finite: bool) -> None:
    """Raise UserError where the sampler cannot be used here, saying which can."""
    name = settings.sampler
    if name == "cmaes" and objectives > 1:
        raise UserError.of(
            "search.sampler cmaes looks for one best value, not for a Pareto set or bands", "choose tuner, nsga2 or tpe"
        )
    if name == "grid" and not finite:
        raise UserError.of(
            "search.sampler grid needs a space that can be listed", "give every float a step, or choose tpe"
        )


def startup_points(sampler: str, dimensions: int, budget: int) -> int:
    """How many points are spread over the space first: one more than it has dimensions, at most a third of the budget.

    Measured on queueing surfaces and on a public table of 26 models x 800 configurations: more points cost trials that
    the sampler uses better, fewer leave its first choices blind.
    """
    return max(2, min(dimensions + 1, budget // 3)) if sampler in GUIDED else 0


def make_sampler(name: str, seed: int, *, conditional: bool, budget: int) -> BaseSampler:
    """The Optuna sampler for a spec's ``search.sampler``; ``grid`` and ``qmc`` are no samplers but lists of points."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        if name == "tpe":
            return TPESampler(
                seed=seed, multivariate=True, group=conditional, n_startup_trials=1, n_ei_candidates=_CANDIDATES
            )
        if name == "cmaes":
            return CmaEsSampler(seed=seed, n_startup_trials=1, warn_independent_sampling=False)
        if name == "nsga2":
            return NSGAIISampler(seed=seed, population_size=min(max(budget // 4, 4), 50))
    return RandomSampler(seed=seed)


_CANDIDATES = 128
"""Points that TPE draws and compares for one proposal: many, as one trial costs far more than a thousand of them."""
