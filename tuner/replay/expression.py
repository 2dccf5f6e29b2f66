"""The part of an objective that is known before any trial: a number, in CEL, over the parameters."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import cel

from tuner.errors import UserError
from tuner.space.rule import compile_rule
from tuner.spec.mistake import Mistake, shown
from tuner.spec.model import Constraint, Scalar

__all__ = ["Known", "compile_known"]

_EVALUATION_ERRORS = (ValueError, TypeError, RuntimeError, ArithmeticError, LookupError)


@dataclass(frozen=True, slots=True)
class Known:
    """A compiled expression."""

    source: str
    _program: cel.Program | None
    _constant: float = 1.0

    def value(self, values: Mapping[str, Scalar]) -> float:
        """The number for a configuration: finite and above 0. UserError where it is not."""
        if self._program is None:
            return self._constant
        try:
            answer = self._program.execute(dict(values))
        except _EVALUATION_ERRORS as error:
            mixed = isinstance(error, TypeError) or "mix" in str(error) or "overload" in str(error)
            fix = "convert whole numbers with double(x)" if mixed else "correct the expression"
            what = f"{shown(self.source)} has no value for {shown(str(values))[1:-1]}"
            raise UserError.of(what, fix) from error
        if isinstance(answer, bool) or not isinstance(answer, int | float) or not math.isfinite(answer) or answer <= 0:
            what = f"{shown(self.source)} is {shown(answer)} for {shown(str(values))[1:-1]}"
            raise UserError.of(what, "it has to be a number above 0")
        return float(answer)


def compile_known(source: str, names: Collection[str]) -> Known:
    """The expression over the parameters ``names``, or a number alone. Mistake as for a constraint."""
    try:
        constant = float(source)
    except ValueError:
        pass
    else:
        if not math.isfinite(constant) or constant <= 0:
            raise Mistake(f"{shown(source)} is not above 0", "write a number above 0, or an expression")
        return Known(source, None, constant)
    compile_rule(Constraint(expression=f"({source}) > 0.0"), names)  # the same short list of what is allowed
    try:
        return Known(source, cel.compile(source))
    except _EVALUATION_ERRORS as error:
        raise Mistake(f"{shown(source)} is not CEL", "close every bracket") from error
