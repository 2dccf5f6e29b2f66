"""Is a value one that a parameter may take? The first thing every engine's ``conflicts`` asks."""

from __future__ import annotations

from collections.abc import Iterable

from tuner.space.assignment import Assignment
from tuner.space.parameter import Domain, Parameter
from tuner.spec.model import Scalar

__all__ = ["allows", "outside"]


def allows(domain: Domain, value: Scalar) -> bool:
    """Is the value of the domain's type and within it? Values between the steps of a range are allowed."""
    if domain.values is not None:
        return any(value == known and isinstance(value, bool) == isinstance(known, bool) for known in domain.values)
    if isinstance(value, (bool, str)) or (domain.kind == "int" and value != int(value)):
        return False
    return (domain.low is None or value >= domain.low) and (domain.high is None or value <= domain.high)


def outside(parameters: Iterable[Parameter], assignment: Assignment) -> tuple[str, ...]:
    """One reason for each value of the assignment that its parameter does not allow."""
    return tuple(
        f"{parameter.name} cannot be {assignment[parameter.name]!r}: {_range(parameter.domain)}"
        for parameter in parameters
        if parameter.name in assignment and not allows(parameter.domain, assignment[parameter.name])
    )


def _range(domain: Domain) -> str:
    if domain.values is not None:
        return f"it is one of {', '.join(map(str, domain.values))}"
    return f"it is from {domain.low:g} to {domain.high:g}"
