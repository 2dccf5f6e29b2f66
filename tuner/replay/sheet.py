"""A table as a file: comma-separated values with a header, where each value knows its line and column.

A table may come from anybody: its size is bounded, a row is one line (no line break inside of quotes), and every
mistake is named with its place. Quotes as in RFC 4180.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tuner.errors import Problem, UserError
from tuner.spec.mistake import nearest, shown
from tuner.spec.named_file import read_named

__all__ = ["LARGEST", "MOST_ROWS", "Field", "Sheet", "read_sheet", "read_sheet_file"]

LARGEST = 16 * 2**20
"""Bytes of a file."""
MOST_ROWS = 100_000
MOST_VALUES = 400_000
"""Of all rows: read, each takes some hundred bytes."""
_MOST_COLUMNS = 256
_LONGEST = 10_000
"""Characters of a line."""
_FIELD = re.compile(r'(?:"((?:[^"]|"")*)"|([^",]*))(,|$)')


@dataclass(frozen=True, slots=True)
class Field:
    """One value as it stands in the file; ``line`` and ``column`` (of its first character) count from 1."""

    text: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Sheet:
    """The header, and the rows as they were read: each has a value for each column."""

    file: str
    header: tuple[Field, ...]
    rows: tuple[tuple[Field, ...], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, as the header names them."""
        return tuple(field.text for field in self.header)

    def position(self, name: str) -> int:
        """Where the column stands, from 0. UserError where there is none."""
        if name in self.names:
            return self.names.index(name)
        near = nearest(name, self.names)
        known = ", ".join(shown(known)[1:-1] for known in self.names[:20])
        fix = f"did you mean {near}?" if near else f"its columns are {known}"
        raise UserError(Problem(f"the table has no column {shown(name)}", fix, self.file, 1, 1))

    def problem(self, field: Field, what: str, fix: str = "") -> Problem:
        """A mistake in one value."""
        return Problem(what, fix, self.file, field.line, field.column)

    def number(self, field: Field, name: str) -> float:
        """The value as a finite number. UserError where it is none."""
        try:
            value = float(field.text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or "_" in field.text:
            what = f"{shown(name)[1:-1]} is {shown(field.text) if field.text else 'empty'}, not a finite number"
            raise UserError(self.problem(field, what, "write a number, or remove the row"))
        return value


def read_sheet_file(path: Path) -> Sheet:
    """The sheet in a file. UserError where it cannot be read, is too large, or is no table."""
    return read_sheet(read_named(path, LARGEST), str(path))


def read_sheet(content: bytes, file: str) -> Sheet:
    """The sheet in the bytes of ``file``. UserError as above."""
    if len(content) > LARGEST:
        what = f"the table is larger than {LARGEST >> 20} MiB"
        raise UserError(Problem(what, "keep what is needed of it", file, 1, 1))
    lines = _lines(content, file)
    header = _header(next(lines, ""), file)
    return Sheet(file, header, tuple(_rows(lines, len(header), file)))


def _lines(content: bytes, file: str) -> Iterator[str]:
    """One after the other, so that a file of line breaks costs no more than its own length."""
    for number, raw in enumerate(io.BytesIO(content), start=1):
        if len(raw) > 4 * _LONGEST:
            raise _too_long(number, file)
        try:
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            what = f"byte 0x{raw[error.start]:02x} is not valid UTF-8"
            raise UserError(Problem(what, "save the table as UTF-8", file, number, error.start + 1)) from error
        yield text.removesuffix("\n").removesuffix("\r")


def _too_long(number: int, file: str) -> UserError:
    what = f"the line is longer than {_LONGEST:,} characters"
    return UserError(Problem(what, "keep one row a line", file, number, 1))


def _header(line: str, file: str) -> tuple[Field, ...]:
    header = _fields(line, 1, file)
    if not line.strip():
        raise UserError(Problem("the table has no header", "name its columns in the first line", file, 1, 1))
    if len(header) > _MOST_COLUMNS:
        raise UserError(Problem(f"the table has more than {_MOST_COLUMNS} columns", "remove some", file, 1, 1))
    seen: set[str] = set()
    for field in header:
        if not field.text:
            raise UserError(Problem("a column has no name", "name it", file, 1, field.column))
        if field.text in seen:
            what = f"the column {shown(field.text)} is there twice"
            raise UserError(Problem(what, "remove or rename one", file, 1, field.column))
        seen.add(field.text)
    return header


def _rows(lines: Iterable[str], width: int, file: str) -> Iterator[tuple[Field, ...]]:
    count = 0
    for number, line in enumerate(lines, start=2):
        if not line.strip():
            continue
        count += 1
        if count > MOST_ROWS:
            what = f"the table has more than {MOST_ROWS:,} rows"
            raise UserError(Problem(what, "keep what is needed of it", file, number, 1))
        if count * width > MOST_VALUES:
            what = f"the table has more than {MOST_VALUES:,} values"
            raise UserError(Problem(what, "keep the columns and rows that are needed", file, number, 1))
        row = _fields(line, number, file)
        if len(row) != width:
            what = f"the row has {len(row)} values, and the header names {width} columns"
            raise UserError(Problem(what, "write one value a column, quoted where it holds a comma", file, number, 1))
        yield row


def _fields(line: str, number: int, file: str) -> tuple[Field, ...]:
    if len(line) > _LONGEST:
        raise _too_long(number, file)
    for place, sign in enumerate(line):
        if not sign.isprintable() and sign != "\t":
            what = f"the control character U+{ord(sign):04X} is not allowed"
            raise UserError(Problem(what, "remove it", file, number, place + 1))
    fields: list[Field] = []
    at = 0
    while True:
        match = _FIELD.match(line, at)
        if match is None:
            what = "a quote is not closed, or stands inside of a value"
            raise UserError(Problem(what, 'quote the whole value, a quote in it twice ("")', file, number, at + 1))
        text = match[2] if match[1] is None else match[1].replace('""', '"')
        fields.append(Field(text.strip(), number, at + 1))
        at = match.end()
        if not match[3]:
            return tuple(fields)
