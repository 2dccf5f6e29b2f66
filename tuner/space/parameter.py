"""What may vary: parameters with their domain, and where each value lands."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tuner.spec.model import Scalar, Target
from tuner.value import Value

__all__ = ["Condition", "Domain", "Parameter"]


class Condition(Value):
    """Active only where the parameter ``name`` has one of ``values``."""

    name: str
    values: tuple[Scalar, ...] = Field(min_length=1)


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


class Parameter(Value):
    """One dimension of the space. ``default`` is the engine's own value when nothing is set."""

    name: str
    domain: Domain
    default: Scalar
    target: Target
    when: tuple[Condition, ...] = ()
    description: str = ""
