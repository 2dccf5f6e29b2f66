"""Whether any configuration satisfies every rule, and if none does, which rules are to blame."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from tuner.space.enumeration import BudgetSpentError, points, random_points
from tuner.space.parameter import Parameter
from tuner.space.rule import Rule
from tuner.spec.model import Scalar

__all__ = ["WALKED", "conflict", "unanswered"]

WALKED = 100_000
"""Spaces of up to this many combinations are walked, so that what is said of them is proven."""
_DRAWN = 5_000
_PROBED = 500


def conflict(parameters: Sequence[Parameter], rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """The rules to blame where no configuration satisfies all of them; empty where one does.

    Each rule that nothing satisfies by itself, or else a smallest set that cannot hold together. A space that is
    infinite or too large to walk is judged by random configurations.
    """
    if _satisfiable(parameters, rules):
        return ()
    if len(rules) == 1:
        return tuple(rules)
    alone = tuple(rule for rule in rules if not _satisfiable(parameters, [rule]))
    if alone:
        return alone
    guilty = list(rules)
    for rule in rules:
        fewer = [other for other in guilty if other is not rule]
        if not _satisfiable(parameters, fewer):
            guilty = fewer
    return tuple(guilty)


def _satisfiable(parameters: Sequence[Parameter], rules: Sequence[Rule]) -> bool:
    if not rules:
        return True
    if all(parameter.domain.size is not None for parameter in parameters):
        try:
            return next(points(parameters, rules, budget=2 * WALKED), None) is not None
        except BudgetSpentError:
            pass
    drawn = random_points(parameters, _DRAWN)
    return any(all(rule.violation(values) is None for rule in rules) for values in drawn)


def unanswered(parameters: Sequence[Parameter], rule: Rule) -> str | None:
    """What a rule gives instead of true or false, where it never gives either; ``None`` where it does."""
    failure: str | None = None
    for values in _probes(parameters):
        answer = rule.ask(values)
        if isinstance(answer, str):
            failure = failure or answer
        elif answer is not None:
            return None
    return failure


def _probes(parameters: Sequence[Parameter]) -> Iterator[dict[str, Scalar]]:
    finite = all(parameter.domain.size is not None for parameter in parameters)
    listed = itertools.islice(points(parameters), _PROBED) if finite else iter(())
    return itertools.chain(listed, random_points(parameters, _PROBED))
