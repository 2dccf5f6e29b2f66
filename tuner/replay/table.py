"""A table of measurements: what was recorded of each service at each configuration."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np

from tuner.errors import Problem, UserError
from tuner.experience.model import Earlier, Reading, Tried
from tuner.replay.descriptor import Column, Descriptor, Varied
from tuner.replay.sheet import Field, Sheet, read_sheet, read_sheet_file
from tuner.space.assignment import Assignment
from tuner.space.space import LISTED
from tuner.spec.mistake import Mistake, nearest, shown
from tuner.spec.model import Scalar
from tuner.spec.section import clean

__all__ = ["Cell", "Table", "read_table", "read_table_file"]

_DIGITS = 12
_JOINED = "@"


@dataclass(frozen=True, slots=True)
class Cell:
    """One configuration: each metric's geometric mean over ``count`` rows, and the error of its logarithm."""

    values: Mapping[str, float]
    errors: Mapping[str, float]
    count: int

    def readings(self) -> tuple[Reading, ...]:
        """What a trial of it measures."""
        return tuple(
            Reading(metric=metric, value=value, error=self.errors[metric]) for metric, value in self.values.items()
        )


@dataclass(frozen=True, slots=True)
class Table:
    """Cells by service, in the order of the file; ``values`` are those that each parameter has anywhere in it.

    ``failed`` are the configurations by service of which rows say that they failed.
    """

    file: str
    descriptor: Descriptor
    services: Mapping[str, Mapping[Assignment, Cell]]
    values: Mapping[str, tuple[Scalar, ...]]
    failed: Mapping[str, tuple[Assignment, ...]] = field(default_factory=dict)

    def family(self, service: str) -> str:
        """Which services resemble it by construction."""
        return self.descriptor.service.family(service)

    def cells(self, service: str | None) -> tuple[str, Mapping[Assignment, Cell]]:
        """A service's name and cells; the only one's where none is named. UserError where there is none."""
        known = ", ".join(shown(name)[1:-1] for name in list(self.services)[:40])
        if service is None and len(self.services) == 1:
            service = next(iter(self.services))
        if service is None:
            raise UserError.of("the table has several services", f"name one of {known}", file=self.file)
        if service not in self.services:
            near = nearest(service, self.services)
            fix = f"did you mean {near}?" if near else f"it has {known}"
            raise UserError.of(f"the table has no service {shown(service)}", fix, file=self.file)
        return service, self.services[service]

    def earlier(self, keep: Callable[[str], bool] = lambda _: True) -> tuple[Earlier, ...]:
        """The services for which ``keep`` says yes, as a search of another one learns from them."""
        about = self.descriptor.service
        return tuple(
            Earlier(
                service=service,
                engine=about.engine,
                hardware=about.hardware,
                family=about.family(service),
                trials=(
                    *(
                        Tried(assignment=assignment, outcome="completed", readings=cell.readings())
                        for assignment, cell in cells.items()
                    ),
                    *(Tried(assignment=assignment, outcome="failed") for assignment in self._failing(service, cells)),
                ),
            )
            for service, cells in self.services.items()
            if keep(service)
        )

    def _failing(self, service: str, cells: Mapping[Assignment, Cell]) -> Iterator[Assignment]:
        """The combinations of which rows, or the table's silence, say that they failed."""
        failed = self.failed.get(service, ())
        yield from failed
        yield from (assignment for assignment in self._missing(cells) if assignment not in failed)

    def _missing(self, cells: Mapping[Assignment, Cell]) -> Iterator[Assignment]:
        total = math.prod(len(values) for values in self.values.values())
        if self.descriptor.missing == "absent" or total == len(cells) or total > LISTED:
            return
        for combination in product(*self.values.values()):
            assignment = Assignment(dict(zip(self.values, combination, strict=True)))
            if assignment not in cells:
                yield assignment


def read_table_file(path: Path, descriptor: Descriptor) -> Table:
    """The table in a file. UserError where it is none, lacks a column, or holds a value that cannot be."""
    return _read(read_sheet_file(path), descriptor)


def read_table(content: bytes, file: str, descriptor: Descriptor) -> Table:
    """The table in the bytes of ``file``. UserError as above."""
    return _read(read_sheet(content, file), descriptor)


def _read(sheet: Sheet, descriptor: Descriptor) -> Table:
    if not sheet.rows:
        raise UserError(Problem("the table has no rows", "add some below the header", sheet.file, 1, 1))
    columns = _Columns(sheet, descriptor)
    rows: dict[str, dict[Assignment, list[Mapping[str, float] | None]]] = {}
    values: dict[str, dict[Scalar, None]] = {name: {} for name in descriptor.parameters}
    for row in sheet.rows:
        ended = columns.ended(row)
        if ended == "ignored":
            continue
        assignment = columns.assignment(row)
        for name, value in assignment.items():
            values[name].setdefault(value)
        measured = columns.metrics(row) if ended == "measured" else None
        rows.setdefault(columns.service(row), {}).setdefault(assignment, []).append(measured)
    if not rows:
        raise UserError(Problem("no row of the table is a measurement", "measure something", sheet.file, 1, 1))
    ordered = {name: _in_order(found) for name, found in values.items()}
    cells, failed = {}, {}
    for service, found in rows.items():
        cells[service] = {
            assignment: _cell([row for row in told if row is not None])
            for assignment, told in found.items()
            if not _fails(told)
        }
        failed[service] = tuple(assignment for assignment, told in found.items() if _fails(told))
    return Table(sheet.file, descriptor, cells, ordered, failed)


def _fails(rows: Sequence[Mapping[str, float] | None]) -> bool:
    """At least half of a configuration's trials failed."""
    return 2 * sum(row is None for row in rows) >= len(rows)


def _in_order(values: Mapping[Scalar, None]) -> tuple[Scalar, ...]:
    """Numbers by size, categories as they came."""
    numbers = [value for value in values if isinstance(value, int | float)]
    return tuple(sorted(numbers)) if len(numbers) == len(values) else tuple(values)


def _cell(rows: Sequence[Mapping[str, float]]) -> Cell:
    """Several rows of one key are replicates: the mean of logarithms, and its standard error."""
    logs = {metric: np.log([row[metric] for row in rows]) for metric in rows[0]}
    share = math.sqrt(len(rows))
    errors = {metric: float(found.std(ddof=1) / share) if len(rows) > 1 else 0.0 for metric, found in logs.items()}
    return Cell({metric: float(np.exp(found.mean())) for metric, found in logs.items()}, errors, len(rows))


class _Columns:
    """Where each thing of the descriptor stands in the sheet. UserError for one that it lacks."""

    def __init__(self, sheet: Sheet, descriptor: Descriptor) -> None:
        self._sheet = sheet
        self._service = [sheet.position(name) for name in descriptor.service.column]
        self._ended = descriptor.outcome
        self._outcome = None if descriptor.outcome is None else sheet.position(descriptor.outcome.column)
        self._parameters = [
            (name, varied, *self._found(varied.column)) for name, varied in descriptor.parameters.items()
        ]
        self._metrics = [
            (name, *self._found(measured.column), None if measured.per is None else sheet.position(measured.per))
            for name, measured in descriptor.metrics.items()
        ]

    def _found(self, columns: Sequence[Column]) -> tuple[Column, int]:
        for column in columns:
            if column.name in self._sheet.names:
                return column, self._sheet.position(column.name)
        return columns[0], self._sheet.position(columns[0].name)

    def service(self, row: Sequence[Field]) -> str:
        """The name of the service that the row belongs to."""
        return _JOINED.join(self._text(row[place], "the service") for place in self._service)

    def ended(self, row: Sequence[Field]) -> Literal["measured", "failed", "ignored"]:
        """How the row's trial ended."""
        if self._ended is None or self._outcome is None:
            return "measured"
        field = row[self._outcome]
        if field.text in self._ended.measured:
            return "measured"
        if field.text in self._ended.failed:
            return "failed"
        if field.text in self._ended.ignored:
            return "ignored"
        what = f"the descriptor does not say what the outcome {shown(field.text)} means"
        raise UserError(self._sheet.problem(field, what, "name it below outcome: measured, failed or ignored"))

    def assignment(self, row: Sequence[Field]) -> Assignment:
        """The row's configuration."""
        return Assignment(dict(self._values(row)))

    def _values(self, row: Sequence[Field]) -> Iterator[tuple[str, Scalar]]:
        for name, varied, column, place in self._parameters:
            if varied.kind == "category":
                yield name, self._text(row[place], name)
            else:
                number = _plain(self._sheet.number(row[place], column.name) * column.scale)
                self._bounded(number, varied, row[place], name)
                yield name, number

    def metrics(self, row: Sequence[Field]) -> dict[str, float]:
        """Each metric's value in the row, above 0."""
        return {
            name: self._positive(row[place], column.name)
            * column.scale
            / (1.0 if per is None else self._positive(row[per], self._sheet.names[per]))
            for name, column, place, per in self._metrics
        }

    def _text(self, field: Field, name: str) -> str:
        try:
            text = clean(field.text)
        except Mistake as mistake:
            raise UserError(self._sheet.problem(field, mistake.what, mistake.fix)) from mistake
        if not text or len(text) > 200:
            what = f"{name} is empty" if not text else f"{name} has {len(text)} characters"
            raise UserError(self._sheet.problem(field, what, "write a name of up to 200 characters"))
        return text

    def _positive(self, field: Field, name: str) -> float:
        number = self._sheet.number(field, name)
        if not 1e-300 < number < 1e300:
            what = f"{shown(name)[1:-1]} is {shown(field.text)[1:-1]}, not above 0"
            raise UserError(self._sheet.problem(field, what, "remove the row, or correct the value"))
        return number

    def _bounded(self, number: float, varied: Varied, field: Field, name: str) -> None:
        low = -math.inf if varied.min is None else varied.min
        high = math.inf if varied.max is None else varied.max
        if not low <= number <= high:
            what = f"{name} is {number:g}, and the descriptor says {low:g} to {high:g}"
            raise UserError(self._sheet.problem(field, what, "give its column a scale in the descriptor"))


def _plain(number: float) -> int | float:
    """Without what scaling leaves behind: 0.07 * 100 is 7."""
    rounded = float(f"{number:.{_DIGITS}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 2**53 else rounded
