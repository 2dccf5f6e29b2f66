"""From a file to a valid spec, or to every mistake in it with its line and column."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from tuner.errors import Problem, UserError
from tuner.spec.document import MAX_BYTES, Document, Path, read_document
from tuner.spec.explanation import explain
from tuner.spec.mistake import shown
from tuner.spec.model import TuningSpec

__all__ = ["LoadedSpec", "load_model", "load_spec", "read_spec"]

_MOST_PROBLEMS = 100

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class LoadedSpec:
    """A valid spec and the document that it was read from."""

    spec: TuningSpec
    document: Document

    @property
    def file(self) -> str:
        """The file as it is named in messages."""
        return self.document.file

    def problem(self, path: Path, what: str, fix: str = "", *, key: bool = False) -> Problem:
        """A problem at a path of the file (keys as written, list positions from 0); at its key with ``key``.

        Where the path is not in the file, for example because a default applies, at the nearest key above it.
        """
        return self.document.problem(path, what, fix, key=key)


def load_spec(text: bytes, file: str) -> LoadedSpec:
    """The spec in the bytes of ``file``. UserError with every mistake found, each with its place."""
    spec, document = load_model(text, file, TuningSpec)
    return LoadedSpec(spec, document)


def load_model(text: bytes, file: str, model: type[M]) -> tuple[M, Document]:
    """The value of a model of sections in the bytes of ``file``, and the document. UserError as ``load_spec``."""
    document = read_document(text, file)
    problems = [*document.mistakes, *_empty_values(document)]
    value = None
    try:
        value = model.model_validate(document.data)
    except ValidationError as error:
        taken = {(problem.line, problem.column) for problem in problems}
        found = explain(error, document, model)
        problems.extend(problem for problem in found if (problem.line, problem.column) not in taken)
    if value is None or problems:
        raise UserError(_listed(problems, file))
    return value, document


def read_spec(path: FilePath) -> LoadedSpec:
    """The spec in a file. UserError where it cannot be read, is no regular file, or holds mistakes."""
    file = str(path)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as opened:
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                raise UserError.of("this is no regular file", "name a spec file", file=file)
            text = opened.read(MAX_BYTES + 1)
            size = max(os.fstat(opened.fileno()).st_size, len(text))
    except (OSError, ValueError) as error:
        raise UserError(_unreadable(path, error)) from error
    if size > MAX_BYTES:
        what = f"the file has {size} bytes, more than the {MAX_BYTES} that are read"
        raise UserError(Problem(what, "keep it below 1 MiB", file, 1, 1))
    return load_spec(text, file)


def _unreadable(path: FilePath, error: OSError | ValueError) -> Problem:
    try:
        if path.is_symlink():
            return Problem("this is a symbolic link", "name the file itself", str(path))
    except (OSError, ValueError):
        return Problem("this is no file name", "name a spec file", str(path)[:200])
    reason = error.strerror if isinstance(error, OSError) and error.strerror else "no such file"
    return Problem(f"cannot be read: {reason.lower()}", "check the path and its permissions", str(path))


def _empty_values(document: Document) -> Iterator[Problem]:
    """A key with nothing behind it is a forgotten value, except for a parameter, where the engine supplies the rest."""
    waiting: list[tuple[Path, object]] = [((), document.data)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(((*path, key), entry) for key, entry in reversed(value.items()))
        elif isinstance(value, list):
            waiting.extend(((*path, index), value[index]) for index in reversed(range(len(value))))
        elif value is None and not (len(path) == 2 and path[0] == "parameters"):
            what = f"{shown(path[-1])[1:-1]} has no value" if path and isinstance(path[-1], str) else "no value here"
            yield document.problem(path, what, "write one, or remove the key")


def _listed(problems: list[Problem], file: str) -> list[Problem]:
    """In the order of the file; of very many, the first hundred and, where the next one is, how many more."""
    ordered = sorted(problems, key=lambda problem: (problem.line or 0, problem.column or 0))
    rest = len(ordered) - _MOST_PROBLEMS
    if rest <= 0:
        return ordered
    next_one = ordered[_MOST_PROBLEMS]
    place = (next_one.line or 1, next_one.column or 1)
    last = Problem(f"and {rest} more problems", "correct the first ones and try again", file, *place)
    return [*ordered[:_MOST_PROBLEMS], last]
