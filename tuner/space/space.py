"""The space of one spec: which configurations there are, and which of them may be tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tuner.errors import UserError
from tuner.space.assignment import Assignment
from tuner.space.enumeration import active, combinations, points
from tuner.space.parameter import Parameter
from tuner.space.resource import typed_value
from tuner.space.rule import Rule
from tuner.spec.mistake import shown
from tuner.spec.model import Constraint, Scalar

__all__ = ["LISTED", "Space"]

LISTED = 200_000
"""Spaces of up to this many combinations are counted one by one."""


@dataclass(frozen=True, slots=True)
class Space:
    """Parameters, each after those that it depends on, and the rules between them. Made by ``build_space``."""

    parameters: tuple[Parameter, ...]
    rules: tuple[Rule, ...]
    replicas: tuple[int, ...] = ()
    """With bands of arrival rates: the numbers of replicas, ascending, that the manifest may be given. They follow from
    a rate and a capacity, so they are no parameter to try. Empty where they are left as they are."""

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """The constraints as the user wrote them."""
        return tuple(rule.constraint for rule in self.rules)

    def parameter(self, name: str) -> Parameter:
        """The parameter of that name. KeyError where there is none."""
        return next(parameter for parameter in self.parameters if parameter.name == name)

    def combinations(self) -> int | None:
        """Number of configurations without regard to the constraints; ``None`` where it is infinite."""
        return combinations(self.parameters)

    def size(self) -> int | None:
        """Number of configurations that may be tried; ``None`` where it is infinite.

        Above ``LISTED`` combinations they are not counted one by one, and the number is an upper bound.
        """
        total = self.combinations()
        if total is None or not self.rules or total > LISTED:
            return total
        return sum(1 for _ in points(self.parameters, self.rules))

    @property
    def counted(self) -> bool:
        """Whether ``size`` is exact."""
        total = self.combinations()
        return total is not None and (not self.rules or total <= LISTED)

    def feasible(self) -> Iterator[Assignment]:
        """Every configuration that may be tried, in a fixed order. ValueError where the space is infinite."""
        return map(Assignment, points(self.parameters, self.rules))

    def active(self, name: str, values: Mapping[str, Scalar]) -> bool:
        """Whether the parameter counts, given the values of those that it depends on."""
        return active(self.parameter(name), values)

    def violations(self, values: Mapping[str, Scalar]) -> tuple[str, ...]:
        """The reason of each constraint that the values break."""
        found = (rule.violation(values) for rule in self.rules)
        return tuple(reason for reason in found if reason is not None)

    def contains(self, values: Mapping[str, Scalar]) -> bool:
        """Whether it may be tried: each active parameter and no other, in its domain, and no rule broken."""
        names = {parameter.name for parameter in self.parameters if self.active(parameter.name, values)}
        return (
            set(values) == names
            and all(self.parameter(name).domain.contains(values[name]) for name in names)
            and not self.violations(values)
        )

    def defaults(self) -> Assignment:
        """The engine's own configuration. It may lie outside of the ranges that the user narrowed."""
        return self.complete({})

    def complete(self, values: Mapping[str, Scalar]) -> Assignment:
        """A whole configuration: defaults where ``values`` says nothing, without inactive and unknown parameters.

        Values outside of the ranges are kept, as a baseline may lie there. UserError for a value of the wrong type.
        """
        complete: dict[str, Scalar] = {}
        for parameter in self.parameters:
            if not active(parameter, complete):
                continue
            given = values.get(parameter.name, parameter.default)
            value = typed_value(parameter, given)
            if value is None:
                what = f"{parameter.name} cannot be {shown(given)}"
                raise UserError.of(what, f"it is of type {parameter.domain.kind}: {parameter.domain}")
            complete[parameter.name] = value
        return Assignment(complete)

    def difference(
        self, before: Mapping[str, Scalar], after: Mapping[str, Scalar]
    ) -> tuple[tuple[str, Scalar | None, Scalar | None], ...]:
        """(parameter, value before, value after) for each that differs; ``None`` where it is inactive."""
        pairs = ((p.name, before.get(p.name), after.get(p.name)) for p in self.parameters)
        return tuple((name, old, new) for name, old, new in pairs if repr(old) != repr(new))
