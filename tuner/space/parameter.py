"""What may vary: parameters with their domain, and where each value lands."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from random import Random
from typing import Literal

from pydantic import Field

from tuner.spec.model import Scalar, Target
from tuner.value import Value

__all__ = ["Condition", "Domain", "Parameter", "same"]


def same(left: Scalar, right: Scalar) -> bool:
    """Equal as a person means it: 1 is 1.0, and neither is true."""
    return left == right and isinstance(left, bool) == isinstance(right, bool)


class Condition(Value):
    """Active only where the parameter ``name`` has one of ``values``."""

    name: str
    values: tuple[Scalar, ...] = Field(min_length=1)

    def met(self, values: Mapping[str, Scalar]) -> bool:
        """Does the parameter have one of the values? False where it has none."""
        return self.name in values and any(same(values[self.name], value) for value in self.values)


class Domain(Value):
    """The values a parameter may take: a finite list, or a numeric range (both ends included).

    ``values`` is set for categorical and ordinal kinds and wherever a user listed values; otherwise ``low`` and
    ``high`` are set, with ``step`` (always for int) or without (continuous float).
    """

    kind: Literal["int", "float", "categorical", "ordinal"]
    values: tuple[Scalar, ...] | None = None
    low: float | None = None
    high: float | None = None
    step: float | None = None
    log: bool = False

    @property
    def size(self) -> int | None:
        """Number of values; ``None`` where the range is continuous."""
        if self.values is not None:
            return len(self.values)
        return None if self._spacing is None else self._steps + 1

    @property
    def _spacing(self) -> float | None:
        return self.step or (1.0 if self.kind == "int" else None)

    @property
    def _ends(self) -> tuple[float, float]:
        if self.low is None or self.high is None:
            raise ValueError("a domain without values needs low and high")
        return self.low, self.high

    @property
    def _steps(self) -> int:
        low, high = (Decimal(repr(float(end))) for end in self._ends)
        return int((high - low) / Decimal(repr(float(self._spacing or 1))))

    def grid(self) -> Iterator[Scalar]:
        """Every value, in order. ValueError where the range is continuous."""
        if self.values is not None:
            yield from self.values
            return
        if self._spacing is None:
            raise ValueError("a continuous range cannot be listed")
        for index in range(self._steps + 1):
            yield self._at(index)

    def _at(self, index: int) -> Scalar:
        number = Decimal(repr(float(self._ends[0]))) + index * Decimal(repr(float(self._spacing or 1)))
        return int(number) if self.kind == "int" else float(number)

    def typed(self, value: Scalar) -> Scalar | None:
        """The value in this domain's type (``8.0`` as 8 for an int), inside or not; ``None`` where it cannot be."""
        if self.values is not None and (found := next((v for v in self.values if same(v, value)), None)) is not None:
            return found
        if self.kind in ("categorical", "ordinal"):
            return value
        if isinstance(value, bool | str) or (self.kind == "int" and value != int(value)):
            return None
        return int(value) if self.kind == "int" else float(value)

    def contains(self, value: Scalar) -> bool:
        """Whether it is one of the values."""
        if self.values is not None:
            return any(same(value, known) for known in self.values)
        number = self.typed(value)
        low, high = self._ends
        if number is None or isinstance(number, str) or not low <= number <= high:
            return False
        if self._spacing is None:
            return True
        steps = (number - low) / self._spacing
        return math.isclose(steps, round(steps), rel_tol=1e-9, abs_tol=1e-9) and round(steps) <= self._steps

    def draw(self, random: Random) -> Scalar:
        """One value at random: each listed value or step is as likely, or each place of the (log) range."""
        if self.values is not None:
            return random.choice(self.values)
        low, high = self._ends
        if self.log:
            number = math.exp(random.uniform(math.log(low), math.log(high)))
            return min(max(round(number), int(low)), int(high)) if self.kind == "int" else min(max(number, low), high)
        return random.uniform(low, high) if self._spacing is None else self._at(random.randint(0, self._steps))

    def __str__(self) -> str:
        if self.values is not None:
            return ", ".join(str(value).lower() if isinstance(value, bool) else str(value) for value in self.values)
        low, high = self._ends
        step = f" in steps of {self.step:g}" if self.step and not (self.kind == "int" and self.step == 1) else ""
        return f"{low:.12g} to {high:.12g}{step}{', log scale' if self.log else ''}"


class Parameter(Value):
    """One dimension of the space. ``default`` is the engine's own value when nothing is set."""

    name: str
    domain: Domain
    default: Scalar
    target: Target
    when: tuple[Condition, ...] = ()
    description: str = ""
