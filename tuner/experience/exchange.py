"""Experience as one file, to be shipped with a repository: JSON Lines, a header and then a trial a line.

The order and the spelling depend on the records alone, so that a file that is exported again changes no line in vain.
A file may come from anybody: its size is bounded, and every mistake is named with its line.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from tuner.errors import Problem, UserError
from tuner.experience.remembered import Remembered
from tuner.spec.named_file import read_named
from tuner.value import Value, canonical_json

__all__ = ["LARGEST", "LONGEST", "MOST_RECORDS", "read_experience", "read_experience_file", "written"]

FORMAT: Literal["tuner-experience"] = "tuner-experience"
VERSION = 1
LARGEST = 16 * 2**20
"""Bytes of a file."""
LONGEST = 2**20
"""Bytes of a line."""
MOST_RECORDS = 15_000
_MOST_PROBLEMS = 20


class _Header(Value):
    format: Literal["tuner-experience"]
    version: int


def written(records: Iterable[Remembered]) -> bytes:
    """The file's content."""
    ordered = sorted(records, key=lambda record: (record.service, record.key))
    lines = [canonical_json({"format": FORMAT, "version": VERSION}), *(record.line() for record in ordered)]
    return "".join(f"{line}\n" for line in lines).encode()


def read_experience(content: bytes, file: str) -> tuple[Remembered, ...]:
    """The records of a file's content, in its order. UserError with the line of each mistake, the first few of them."""
    if len(content) > LARGEST:
        raise _too_large(file)
    lines = io.BytesIO(content)  # one line after the other: a file of line breaks costs no more than its own length
    if problem := _header_problem(lines.readline().rstrip(b"\n"), file):
        raise UserError(problem)
    records: dict[tuple[str, int], tuple[int, Remembered]] = {}
    problems: list[Problem] = []
    line = 1
    for line, raw in enumerate(lines, start=2):
        if not raw.strip():
            continue
        problems += _take(raw.rstrip(b"\n"), line, file, records)
        if len(problems) >= _MOST_PROBLEMS or len(records) > MOST_RECORDS:
            break
    if len(records) > MOST_RECORDS:
        problems.append(
            Problem(f"the file has more than {MOST_RECORDS:,} trials", "export fewer services", file, line, 1)
        )
    if problems:
        raise UserError(problems)
    return tuple(record for _, record in records.values())


def read_experience_file(path: Path) -> tuple[Remembered, ...]:
    """The records of a file. UserError as above, and where there is no such file."""
    return read_experience(read_named(path, LARGEST), str(path))


def _too_large(file: str) -> UserError:
    return UserError(Problem(f"the file is larger than {LARGEST >> 20} MiB", "export fewer services", file, 1, 1))


def _header_problem(raw: bytes, file: str) -> Problem | None:
    example = canonical_json({"format": FORMAT, "version": VERSION})
    try:
        header = _Header.model_validate_json(raw, strict=True)
    except ValidationError:
        fix = f"take a file that `tuner experience export` wrote; its first line is {example}"
        return Problem("this is no file of experience", fix, file, 1, 1)
    if header.version != VERSION:
        what = f"the file is of version {header.version}, and this tuner reads version {VERSION}"
        return Problem(what, "export it again with the same version of tuner", file, 1, 1)
    return None


def _take(
    raw: bytes, line: int, file: str, records: dict[tuple[str, int], tuple[int, Remembered]]
) -> Iterator[Problem]:
    """Add the line's record, or say what is wrong with it."""
    if len(raw) > LONGEST:
        yield Problem(f"the line is longer than {LONGEST:,} bytes", "remove it", file, line, 1)
        return
    try:
        record = Remembered.model_validate_json(raw, strict=True)
    except ValidationError as error:
        yield Problem(_told(error), "mend or remove the line, or export the file again", file, line, 1)
        return
    first, known = records.setdefault(record.key, (line, record))
    if known != record:
        what = f"trial {record.number} of {record.campaign} is told otherwise in line {first}"
        yield Problem(what, "keep one of them", file, line, 1)


def _told(error: ValidationError) -> str:
    """The first mistake of a line, with the key that it is about."""
    first: dict[str, Any] = dict(error.errors(include_url=False, include_input=False)[0])
    place = ".".join(str(part) for part in first["loc"])
    text = str(first["msg"]).removeprefix("Value error, ")
    shown = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in f"{place}: {text}")
    return shown.removeprefix(": ")[:300]
