"""A constraint of the spec, compiled: CEL once, then many answers.

The language is cut down to what ends quickly on any input: no macros (``all``, ``map`` …), whose nesting makes the cost
exponential, and no functions beyond a short list. The CEL specification: https://github.com/google/cel-spec.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import cel

from tuner.spec.mistake import Mistake, nearest, shown
from tuner.spec.model import Constraint, Scalar
from tuner.spec.quantity import parse_bytes, parse_cores

__all__ = ["Rule", "compile_rule"]

_FUNCTIONS = frozenset(("contains", "double", "endsWith", "int", "matches", "size", "startsWith", "string"))
_OPERATOR = re.compile(r"@in|[^A-Za-z0-9]+")
_MACROS = re.compile(
    r"\b(all|exists|exists_one|existsOne|filter|map|has|transformList|transformMap|transformMapEntry|sortBy|bind)"
    r"\s*(//[^\n]*\n\s*)*\("
)
_QUANTITY = re.compile(r"\bquantity\(\s*(?:'([^'\"]*)'|\"([^'\"]*)\")\s*\)")
_SYNTAX = re.compile(r"ERROR: <input>:(\d+):(\d+): (?:Syntax error: )?([^\n]*)")
_EVALUATION_ERRORS = (ValueError, TypeError, RuntimeError, ArithmeticError, LookupError)
_MEMORY = 20_000


@dataclass(frozen=True, slots=True)
class Rule:
    """One constraint, ready to be asked. ``names`` are the parameters that it reads."""

    constraint: Constraint
    names: frozenset[str]
    _program: cel.Program
    _known: dict[tuple[tuple[type, Scalar | None], ...], bool | str | None] = field(
        default_factory=dict, repr=False, compare=False
    )

    def ask(self, values: Mapping[str, Scalar]) -> bool | str | None:
        """True or false; a text where the expression has no answer; ``None`` where an inactive parameter decides."""
        key = tuple([(value.__class__, value) for value in map(values.get, self.names)])
        if key not in self._known:
            if len(self._known) >= _MEMORY:
                self._known.clear()
            self._known[key] = self._evaluate({name: values[name] for name in self.names if name in values})
        return self._known[key]

    def _evaluate(self, values: dict[str, Scalar]) -> bool | str | None:
        try:
            answer = self._program.execute(values)
        except _EVALUATION_ERRORS as error:
            return None if len(values) < len(self.names) else _what_failed(error)
        return answer if isinstance(answer, bool) else f"it gives {shown(answer)}, not true or false"

    def violation(self, values: Mapping[str, Scalar]) -> str | None:
        """Why the values break the rule, ``None`` where they do not."""
        answer = self.ask(values)
        if answer is None or answer is True:
            return None
        text = self.constraint.reason or self.constraint.expression
        return text if answer is False else f"{text}: {answer}"

    def __str__(self) -> str:
        return " ".join(self.constraint.expression.split())


def compile_rule(constraint: Constraint, names: Collection[str]) -> Rule:
    """The rule over the parameters ``names``. Mistake for a syntax error, an unknown name, function or quantity."""
    source = constraint.expression
    program = _compile(source)
    if macro := _MACROS.search(source):
        raise Mistake(f"the macro {macro[1]} is not allowed in a constraint", "write the rule out, or use in [...]")
    if _QUANTITY.search(source):
        program = _compile(_QUANTITY.sub(_number, source))
    used = program.references()
    _refuse_functions(used["functions"])
    for name in used["variables"]:
        if name not in names:
            near = nearest(name, names)
            raise Mistake(
                f"the constraint names {shown(name)[1:-1]}, which is not a parameter",
                f"did you mean {near}?" if near else f"the parameters are {', '.join(names)}",
            )
    if not used["variables"]:
        raise Mistake("the constraint depends on no parameter", "name at least one, or remove it")
    return Rule(constraint, frozenset(used["variables"]), program)


def _compile(source: str) -> cel.Program:
    try:
        return cel.compile(source)
    except _EVALUATION_ERRORS as error:
        found = _SYNTAX.search(str(error))
        where = f" at character {found[2]}" + (f" of line {found[1]}" if found[1] != "1" else "") if found else ""
        reason = found[3].partition(" expecting ")[0] if found else "cannot be parsed"
        reason = "nested too deeply" if "OtherError" in reason else reason
        what = f"the constraint is not CEL{where}: {shown(reason)[1:-1]}"
        raise Mistake(what, "write for example max_batch_size * instance_count <= 64") from error


def _refuse_functions(functions: list[str]) -> None:
    for name in functions:
        if name not in _FUNCTIONS and not _OPERATOR.fullmatch(name):
            near = nearest(name, (*_FUNCTIONS, "quantity"))
            known = f"known are {', '.join(sorted(_FUNCTIONS))} and quantity('4Gi')"
            raise Mistake(
                f"the function {shown(name)[1:-1]} is not known", f"did you mean {near}? {known}" if near else known
            )


def _number(match: re.Match[str]) -> str:
    text = match[1] if match[1] is not None else match[2]
    try:
        cores = parse_cores(text)
    except Mistake as error:
        raise Mistake(
            f"{shown(text)} is not a quantity", "write for example quantity('4Gi') or quantity('500m')"
        ) from error
    return str(parse_bytes(text)) if cores == int(cores) else repr(cores)


def _what_failed(error: Exception) -> str:
    text = str(error)
    if isinstance(error, TypeError):
        return "it mixes types (convert whole numbers with double(x), and compare text with text)"
    return " ".join(text.split())[:200] or type(error).__name__
