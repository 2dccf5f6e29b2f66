"""A parameter's values as Optuna sees them, twice.

*Shown*: what the stored study holds, so that a dashboard shows the values that people write; a list is a list.
*Searched*: what a sampler sees; an ordered list is its index, so that neighbours teach each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from tuner.space.assignment import Assignment
from tuner.space.parameter import Domain, Parameter, same
from tuner.space.space import Space
from tuner.spec.model import Scalar

__all__ = ["Axis", "axes_of", "suggest"]


def _exact(number: float) -> Decimal:
    """The decimal number that a person wrote: steps of 0.1 add up to 1."""
    return Decimal(repr(float(number)))


@dataclass(frozen=True, slots=True)
class Axis:
    """One parameter, between its own values, Optuna's, and the unit interval."""

    parameter: Parameter

    @property
    def domain(self) -> Domain:
        """What the values may be."""
        return self.parameter.domain

    @property
    def ordered(self) -> bool:
        """True where neighbouring values resemble each other."""
        return self.domain.kind != "categorical"

    @property
    def shown(self) -> BaseDistribution:
        """The distribution in the stored study."""
        if self.domain.values is not None:
            return CategoricalDistribution(self.domain.values)
        return self._numeric()

    @property
    def searched(self) -> BaseDistribution:
        """The distribution that a sampler is given."""
        if self.domain.values is None:
            return self._numeric()
        if self.ordered:
            return IntDistribution(0, len(self.domain.values) - 1)
        return CategoricalDistribution(self.domain.values)

    def _numeric(self) -> IntDistribution | FloatDistribution:
        low, high = self._ends()
        if self.domain.kind == "int":
            step = 1 if self.domain.log else int(self.domain.step or 1)
            return IntDistribution(int(low), int(high), log=self.domain.log, step=step)
        step_size = None if self.domain.log else self.domain.step
        return FloatDistribution(low, high, log=self.domain.log, step=step_size)

    def _ends(self) -> tuple[float, float]:
        if self.domain.low is None or self.domain.high is None:
            raise ValueError(f"{self.parameter.name}: a domain without values needs low and high")
        return (self.domain.low, self._at(self._steps()) if self.domain.step else self.domain.high)

    def _steps(self) -> int:
        """Number of steps from the lowest to the highest value."""
        low, high, step = (_exact(number or 0.0) for number in (self.domain.low, self.domain.high, self.domain.step))
        return int((high - low) / step)

    def _at(self, position: int) -> float:
        return float(_exact(self.domain.low or 0.0) + position * _exact(self.domain.step or 0.0))

    def encode(self, value: Scalar) -> Scalar | None:
        """The value as a sampler sees it; ``None`` where it lies outside of the domain."""
        if self.domain.values is not None:
            index = next((i for i, known in enumerate(self.domain.values) if same(known, value)), None)
            return index if self.ordered or index is None else self.domain.values[index]
        low, high = self._ends()
        if isinstance(value, str | bool) or not low <= value <= high:
            return None
        return int(value) if self.domain.kind == "int" else float(value)

    def fits(self, assignment: Assignment) -> bool:
        """True where the parameter is absent or has a value of the domain."""
        name = self.parameter.name
        return name not in assignment or self.encode(assignment[name]) is not None

    def approximate(self, value: Scalar) -> Scalar | None:
        """Like ``encode``, with the nearest value of an ordered domain for one outside of it."""
        encoded = self.encode(value)
        if encoded is not None or not self.ordered or isinstance(value, str | bool):
            return encoded
        if self.domain.values is None:
            return self.snap(value)
        numbers = [known for known in self.domain.values if not isinstance(known, str | bool)]
        return self.encode(min(numbers, key=lambda known: abs(known - value))) if numbers else None

    def decode(self, raw: Scalar) -> Scalar:
        """The parameter's value for what a sampler suggested: always one of the domain."""
        if self.domain.values is not None:
            return self.domain.values[int(raw)] if self.ordered else raw
        return self.snap(float(raw))

    def snap(self, number: float) -> Scalar:
        """The nearest value of a numeric range."""
        low, high = self._ends()
        if self.domain.step is not None:
            position = min(max(round((number - low) / self.domain.step), 0), self._steps())
            number = self._at(position)
        number = min(max(number, low), high)
        return round(number) if self.domain.kind == "int" else float(number)

    def at(self, unit: float) -> Scalar:
        """The value at a place in [0, 1): equal shares of the interval for equal shares of the values."""
        if self.domain.values is not None:
            return self.domain.values[min(int(unit * len(self.domain.values)), len(self.domain.values) - 1)]
        low, high = self._ends()
        if self.domain.log:
            return self.snap(math.exp(math.log(low) + unit * (math.log(high) - math.log(low))))
        if self.domain.step is not None:
            return self.snap(self._at(min(int(unit * (self._steps() + 1)), self._steps())))
        return self.snap(low + unit * (high - low))

    def place(self, value: Scalar) -> float:
        """Where an ordered value lies in [0, 1]; 0 where it is unknown."""
        if self.domain.values is not None:
            encoded = self.encode(value)
            return 0.0 if encoded is None else int(encoded) / max(len(self.domain.values) - 1, 1)
        if isinstance(value, str):
            return 0.0
        low, high = self._ends()
        if high <= low:
            return 0.0
        if self.domain.log:
            return (math.log(max(value, low)) - math.log(low)) / (math.log(high) - math.log(low))
        return (value - low) / (high - low)


def axes_of(space: Space) -> tuple[Axis, ...]:
    """One axis a parameter, each after those that it depends on."""
    return tuple(Axis(parameter) for parameter in space.parameters)


def suggest(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> Scalar:
    """Ask the trial for a value of the distribution."""
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(
            name, distribution.low, distribution.high, step=distribution.step, log=distribution.log
        )
    if isinstance(distribution, FloatDistribution):
        low, high = distribution.low, distribution.high
        return trial.suggest_float(name, low, high, step=distribution.step, log=distribution.log)
    if isinstance(distribution, CategoricalDistribution):
        chosen = trial.suggest_categorical(name, distribution.choices)
        if chosen is not None:
            return chosen
    raise TypeError(f"{name}: no distribution of ours: {distribution}")
