"""How a table of measurements is read as trials: which columns are parameters, which are metrics, what is aimed at.

A descriptor is YAML that a person writes beside a table; every mistake in it is named with its line and column.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from tuner.errors import Problem, UserError
from tuner.replay.explanation import refused
from tuner.replay.expression import compile_known
from tuner.spec.document import MAX_BYTES, read_document
from tuner.spec.mistake import Mistake, nearest, shown
from tuner.spec.named_file import read_named
from tuner.spec.parameters import ParameterName
from tuner.spec.section import Integer, Number, Section, Text, Written

__all__ = ["Column", "Descriptor", "Ended", "Measured", "Varied", "read_descriptor", "read_descriptor_file"]

_FAMILY = re.compile(r"[^\W\d_]*")


class Column(Section):
    """A column of the table. Its numbers are multiplied by ``scale``: 100 makes a percentage of a share."""

    name: Text
    scale: Number = Field(1.0, gt=0)


def _columns(raw: Any) -> Any:
    """``sm``, ``{name: sm, scale: 100}`` and a list of these are all written."""
    listed = raw if isinstance(raw, list | tuple) else [raw]
    if not listed:
        raise Mistake("the list is empty", "name at least one column")
    return tuple({"name": column} if isinstance(column, str) else column for column in listed)


def _texts(raw: Any) -> Any:
    return (raw,) if isinstance(raw, str) else raw


Columns = Annotated[tuple[Column, ...], BeforeValidator(_columns)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(_texts), Field(min_length=1)]


class Varied(Section):
    """A parameter: ``ordered`` numbers, or categories. Of several columns the first that the table has is read."""

    column: Columns
    kind: Literal["ordered", "category"] = "ordered"
    min: Number | None = None
    max: Number | None = None


class Measured(Section):
    """A metric, above 0. ``per`` is a column that it is divided by."""

    column: Columns
    unit: Text = "1"
    per: Text | None = None


class Services(Section):
    """Which rows belong together: those with the same value in each ``column``.

    ``families`` name prefixes of services that resemble each other by construction; the longest prefix counts. Any
    other service belongs to the family that its name begins with, up to what is no letter; capitals do not count.
    """

    column: Texts
    families: dict[Text, Texts] = Field(default_factory=dict, max_length=1000)
    engine: Text = "recorded"
    hardware: Text = "recorded"

    def family(self, service: str) -> str:
        """The family of a service."""
        prefixes = [(prefix, family) for family, listed in self.families.items() for prefix in listed]
        found = [(len(prefix), family) for prefix, family in prefixes if service.lower().startswith(prefix.lower())]
        if found:
            return max(found)[1]
        start = _FAMILY.match(service.lower())
        return (start[0] if start else "") or service


class Ended(Section):
    """How each row's trial ended, by the words of a column.

    A row was ``measured``, its configuration ``failed``, or it says nothing of it and is ``ignored``.
    """

    column: Text
    measured: Texts
    failed: Texts
    ignored: Annotated[tuple[Text, ...], BeforeValidator(_texts)] = ()

    @model_validator(mode="after")
    def _apart(self) -> Self:
        words = (*self.measured, *self.failed, *self.ignored)
        twice = next((word for word in words if words.count(word) > 1), None)
        if twice is not None:
            raise Mistake(f"{shown(twice)} is there twice", "let each word mean one thing")
        return self


class Banded(Section):
    """Bands of arrival rates by their upper ends, ascending, in what one replica bears of.

    ``cost`` (CEL over the parameters) is what one replica costs; ``replicas`` are the numbers that are allowed, any
    where there are none.
    """

    rates: tuple[Annotated[Number, Field(gt=0)], ...] = Field(min_length=1, max_length=16)
    cost: Text | Number
    replicas: tuple[Annotated[Integer, Field(ge=1)], ...] = Field((), max_length=1000)

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        for key in ("rates", "replicas"):
            for place, (lower, upper) in enumerate(pairwise(getattr(self, key)), 1):
                if upper <= lower:
                    raise Mistake(
                        f"{upper:g} does not lie above {lower:g}", "write them in ascending order", at=(key, place)
                    )
        return self


class Sought(Section):
    """The merit, higher is better: ``known`` (CEL over the parameters) times each metric to its power.

    With ``bands`` that is what one replica bears, and the merit in a band is 1 / (cost of all replicas that bear it).
    """

    maximize: dict[Text, Number] = Field(min_length=1)
    known: Text | Number = "1"
    unit: Text = "merit"
    bands: Banded | None = None


class Descriptor(Section):
    """The whole file."""

    service: Services
    parameters: dict[ParameterName, Varied] = Field(min_length=1, max_length=64)
    metrics: dict[ParameterName, Measured] = Field(min_length=1, max_length=16)
    objective: Sought
    limits: dict[Text, Annotated[Number, Field(gt=0)]] = Field(default_factory=dict)
    start: dict[Text, Written] = Field(default_factory=dict)
    outcome: Ended | None = None
    """Without it every row is a measurement."""
    missing: Literal["infeasible", "absent"] = "infeasible"
    """What a combination without a row is: a trial that fails, or none of the space."""

    @property
    def known(self) -> str:
        """The known part of the merit, as CEL."""
        return str(self.objective.known)

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        for section, names in (("objective", self.objective.maximize), ("limits", self.limits)):
            for name in names:
                below = ("objective", "maximize", name) if section == "objective" else ("limits", name)
                self._known(name, self.metrics, "metric", below)
        for name in self.start:
            self._known(name, self.parameters, "parameter", ("start", name))
        if not any(self.objective.maximize.values()):
            raise Mistake("the merit depends on no metric", "give one a power", at=("objective", "maximize"))
        try:
            compile_known(self.known, self.parameters)
        except Mistake as mistake:
            raise Mistake(mistake.what, mistake.fix, at=("objective", "known")) from mistake
        try:
            if self.objective.bands is not None:
                compile_known(str(self.objective.bands.cost), self.parameters)
        except Mistake as mistake:
            raise Mistake(mistake.what, mistake.fix, at=("objective", "bands", "cost")) from mistake
        return self

    def _known(self, name: str, known: dict[str, Any], what: str, below: tuple[str, ...]) -> None:
        if name not in known:
            near = nearest(name, known)
            fix = f"did you mean {near}?" if near else f"there are {', '.join(known)}"
            raise Mistake(f"{shown(name)[1:-1]} is no {what}", fix, at=below)

    def limited(self, bound: float, metric: str | None = None) -> Self:
        """The same with another bound on one metric; by default on the only one that has a limit."""
        names = list(self.limits) if metric is None else [metric]
        if len(names) != 1 or names[0] not in self.metrics:
            there = ", ".join(self.metrics)
            raise UserError.of("it is not clear which metric the bound is for", f"name one of {there}")
        if not bound > 0:
            raise UserError.of(f"a bound of {bound:g} holds nothing", "write a number above 0")
        return self.model_copy(update={"limits": {**self.limits, names[0]: bound}})


def read_descriptor_file(path: Path) -> Descriptor:
    """The descriptor in a file. UserError with every mistake, each with its place."""
    return read_descriptor(read_named(path, MAX_BYTES), str(path))


def read_descriptor(text: bytes, file: str) -> Descriptor:
    """The descriptor in the bytes of ``file``. UserError as above."""
    document = read_document(text, file)
    problems: list[Problem] = list(document.mistakes)
    try:
        found = Descriptor.model_validate(document.data)
    except ValidationError as error:
        raise UserError([*problems, *refused(error, document, Descriptor)]) from error
    if problems:
        raise UserError(problems)
    return found
