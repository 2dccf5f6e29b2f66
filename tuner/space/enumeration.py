"""Walking through a space: every point in a fixed order, or some at random. A rule cuts a branch as early as it can."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from random import Random

from tuner.space.parameter import Parameter
from tuner.space.rule import Rule
from tuner.spec.model import Scalar

__all__ = ["BudgetSpentError", "active", "combinations", "points", "random_points"]


class BudgetSpentError(Exception):
    """The walk looked at as many values as it was allowed to."""


def active(parameter: Parameter, values: Mapping[str, Scalar]) -> bool:
    """Whether the parameter counts, given the values of those that it depends on."""
    return all(condition.met(values) for condition in parameter.when)


def points(
    parameters: Sequence[Parameter], rules: Sequence[Rule] = (), budget: int | None = None
) -> Iterator[dict[str, Scalar]]:
    """Every point that breaks no rule, the last parameter varying fastest; inactive parameters are absent.

    ``parameters`` come after those that they depend on, and none is continuous. Raises BudgetSpentError after looking
    at ``budget`` values.
    """
    due = _rules_by_level(parameters, rules)
    values: dict[str, Scalar] = {}
    stack = [_choices(parameters[0], values)]
    looked = 0
    while stack:
        level = len(stack) - 1
        name = parameters[level].name
        values.pop(name, None)
        try:
            choice = next(stack[-1])
        except StopIteration:
            stack.pop()
            continue
        looked += 1
        if budget is not None and looked > budget:
            raise BudgetSpentError
        if choice is not None:
            values[name] = choice
        if any(rule.violation(values) is not None for rule in due[level]):
            continue
        if level + 1 == len(parameters):
            yield dict(values)
        else:
            stack.append(_choices(parameters[level + 1], values))


def _choices(parameter: Parameter, values: Mapping[str, Scalar]) -> Iterator[Scalar | None]:
    return iter(parameter.domain.grid()) if active(parameter, values) else iter((None,))


def _rules_by_level(parameters: Sequence[Parameter], rules: Sequence[Rule]) -> list[list[Rule]]:
    """Each rule at the level where the last of its parameters is known."""
    position = {parameter.name: level for level, parameter in enumerate(parameters)}
    due: list[list[Rule]] = [[] for _ in parameters]
    for rule in rules:
        due[max(position[name] for name in rule.names)].append(rule)
    return due


def random_points(parameters: Sequence[Parameter], count: int, seed: int = 0) -> Iterator[dict[str, Scalar]]:
    """``count`` points, rules not considered; the same for the same seed."""
    random = Random(seed)  # noqa: S311 - nothing secret hangs on it
    for _ in range(count):
        values: dict[str, Scalar] = {}
        for parameter in parameters:
            if active(parameter, values):
                values[parameter.name] = parameter.domain.draw(random)
        yield values


def combinations(parameters: Sequence[Parameter], budget: int = 100_000) -> int | None:
    """Number of points without regard to rules; ``None`` where it is infinite.

    Exact while the parameters that others depend on have few combinations; beyond ``budget`` an upper bound.
    """
    sizes = [parameter.domain.size for parameter in parameters]
    known = [size for size in sizes if size is not None]
    if len(known) < len(sizes):
        return None
    deciding = _deciding(parameters)
    by_size = {parameter.name: size for parameter, size in zip(parameters, known, strict=True)}
    free = [parameter for parameter in parameters if parameter.name not in deciding]
    total = 0
    try:
        for values in points([p for p in parameters if p.name in deciding], budget=budget) if deciding else ({},):
            count = 1
            for parameter in free:
                count *= by_size[parameter.name] if active(parameter, values) else 1
            total += count
    except BudgetSpentError:
        total = 1
        for size in known:
            total *= size
    return total


def _deciding(parameters: Sequence[Parameter]) -> frozenset[str]:
    """The parameters that others depend on, directly or through others."""
    return frozenset(condition.name for parameter in parameters for condition in parameter.when)
