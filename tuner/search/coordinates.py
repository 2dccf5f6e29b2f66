"""Configurations as points: neighbours in what they mean are near each other, and spaces that overlap agree.

A numeric parameter is one column from 0 to 1 between the ends of its domain, logarithmic where these are positive and
at least a factor of four apart (batch sizes, threads, shares); a list of ordered words is its index; an unordered one
has a column for each word. Whatever does not apply lies in the middle, and says so in a column of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tuner.space.parameter import Domain, Parameter, same
from tuner.space.space import Space
from tuner.spec.model import Scalar

__all__ = ["Coordinates"]

Floats = npt.NDArray[np.float64]

_LOG_FROM = 4.0
_BEYOND = 1.0
"""How far outside of [0, 1] a value of another service's range may lie."""
_MIDDLE = 0.5
_WORD = 1 / math.sqrt(2)
"""Two different words are at distance 1."""


@dataclass(frozen=True, slots=True)
class _Column:
    """The columns of one parameter."""

    parameter: Parameter

    @property
    def words(self) -> tuple[Scalar, ...]:
        """The values that have a column each; none where the values are ordered."""
        domain = self.parameter.domain
        return domain.values or () if domain.kind == "categorical" and not _two(domain) else ()

    @property
    def width(self) -> int:
        return max(len(self.words), 1) + bool(self.parameter.when)

    def place(self, values: Mapping[str, Scalar]) -> list[float]:
        value = values.get(self.parameter.name)
        if self.words:
            placed = [_WORD * (value is not None and same(word, value)) for word in self.words]
        else:
            placed = [_MIDDLE if value is None else _position(self.parameter.domain, value)]
        return [*placed, float(value is not None)] if self.parameter.when else placed


def _two(domain: Domain) -> bool:
    return domain.values is not None and len(domain.values) <= 2


def _position(domain: Domain, value: Scalar) -> float:
    numbers = _numbers(domain)
    if numbers is None or isinstance(value, str | bool):
        known = domain.values or ()
        index = next((place for place, one in enumerate(known) if same(one, value)), None)
        return _MIDDLE if index is None else index / max(len(known) - 1, 1)
    low, high = numbers
    if not low < high:
        return _MIDDLE
    if low > 0 and high / low >= _LOG_FROM:
        if value <= 0:
            return -_BEYOND
        place = math.log(value / low) / math.log(high / low)
    else:
        place = (value - low) / (high - low)
    return min(max(place, -_BEYOND), 1 + _BEYOND)


def _numbers(domain: Domain) -> tuple[float, float] | None:
    """The ends of a domain of numbers; ``None`` where a value is a word."""
    if domain.values is None:
        return (domain.low, domain.high) if domain.low is not None and domain.high is not None else None
    numbers = [float(value) for value in domain.values if not isinstance(value, str | bool)]
    return (min(numbers), max(numbers)) if len(numbers) == len(domain.values) else None


class Coordinates:
    """The columns of a space."""

    def __init__(self, space: Space) -> None:
        self._columns = tuple(_Column(parameter) for parameter in space.parameters)
        self.width = sum(column.width for column in self._columns)

    def of(self, configurations: Sequence[Mapping[str, Scalar]]) -> Floats:
        """Shape (configurations, width). Parameters that the space does not have are left out."""
        if not configurations:
            return np.empty((0, self.width))
        known: dict[tuple[int, str], list[float]] = {}
        rows = []
        for values in configurations:
            row: list[float] = []
            for number, column in enumerate(self._columns):
                key = (number, repr(values.get(column.parameter.name)))
                if key not in known:
                    known[key] = column.place(values)
                row += known[key]
            rows.append(row)
        return np.array(rows)

    def told_by(self, configurations: Iterable[Mapping[str, Scalar]]) -> npt.NDArray[np.bool_]:
        """Which columns belong to parameters that any of the configurations has."""
        names = {name for values in configurations for name in values}
        return np.array([column.parameter.name in names for column in self._columns for _ in range(column.width)])
