"""YAML from people that are not trusted: plain data, with the line and column of every key and value.

Refused before or while reading, so that no input costs more than its own length: more than 1 MiB, deep nesting,
anchors and aliases, tags, merge keys, duplicate keys, keys that are no words, several documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from tuner.errors import Problem, UserError
from tuner.spec.mistake import Mistake, shown
from tuner.spec.plain_scalar import resolve

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_VALUES",
    "Document",
    "Path",
    "Place",
    "end_of",
    "read_document",
    "read_documents",
    "refuse_unprintable",
]

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 24
MAX_VALUES = 10_000
MAX_DOCUMENTS = 100
Path = tuple[str | int, ...]

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ADVICE = {
    "found a tab character": "indent with spaces, not tabs",
    "cannot start any token": "indent with spaces, not tabs, and quote a value that starts with @, ` or %",
    "mapping values are not allowed": "check the indentation, and quote a value that holds a colon",
    "could not find expected ':'": "write key: value",
    "unexpected end of stream": "close the quote",
    "expected ',' or": "close the bracket",
    "did not find expected key": "check the indentation and the quotes",
    "did not find expected '-' indicator": "check the indentation",
    "unknown escape": "use single quotes for text with a backslash",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Line and column, both from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document: mappings, lists, text, numbers, booleans and ``None``, and where each of them stands."""

    file: str
    data: Any
    values: Mapping[Path, Place]
    keys: Mapping[Path, Place]
    mistakes: tuple[Problem, ...] = ()
    """What the words themselves got wrong (``no``, ``12:30``, ``.inf``); the data holds them as text."""

    def place(self, path: Path, *, key: bool = False) -> Place:
        """Where the value at ``path`` stands, or its key; for a path that is not there, the nearest key above it."""
        if not key and path in self.values:
            return self.values[path]
        for end in range(len(path), 0, -1):
            if path[:end] in self.keys:
                return self.keys[path[:end]]
            if path[:end] in self.values:
                return self.values[path[:end]]
        return self.values[()]

    def problem(self, path: Path, what: str, fix: str = "", *, key: bool = False) -> Problem:
        """The problem at a path of the document."""
        place = self.place(path, key=key)
        return Problem(what, fix, self.file, place.line, place.column)


def read_document(text: bytes, file: str) -> Document:
    """The only document in the text. UserError, with the place, for everything that this module refuses."""
    documents = read_documents(text, file)
    if not documents:
        raise UserError(Problem("the file is empty", "write a document into it", file, 1, 1))
    if len(documents) > 1:
        place = documents[1].values[()]
        what = "a second document starts here"
        raise UserError(
            Problem(what, "one file holds one spec: move it to its own file", file, place.line, place.column)
        )
    return documents[0]


def read_documents(text: bytes, file: str) -> tuple[Document, ...]:
    """Every document in the text. UserError as in ``read_document``."""
    words = _decoded(text, file)
    try:
        return tuple(_Reader(file, yaml.parse(words, Loader=_loader())).documents())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = ", ".join(str(part) for part in (error.problem, error.context) if part)
        fix = next((advice for sign, advice in _ADVICE.items() if sign in what), "check the syntax of this line")
        raise UserError(Problem(f"this is not YAML: {what}", fix, file, line, column)) from error
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise UserError(Problem(f"this is not YAML: {reason}", "check the syntax", file, 1, 1)) from error


def _loader() -> Any:
    """Libyaml where PyYAML was built with it; the events are the same, only slower, without."""
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _decoded(text: bytes, file: str) -> str:
    if len(text) > MAX_BYTES:
        what = f"the file has {len(text)} bytes, more than the {MAX_BYTES} that are read"
        raise UserError(Problem(what, "keep it below 1 MiB", file, 1, 1))
    try:
        words = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        good = text[: error.start].decode("utf-8", "replace")
        what = f"byte 0x{text[error.start]:02x} is not valid UTF-8"
        raise UserError(Problem(what, "save the file as UTF-8", file, *end_of(good))) from error
    refuse_unprintable(words, file)
    return words


def refuse_unprintable(words: str, file: str) -> None:
    """UserError, with the place, for a sign that YAML does not allow."""
    if bad := _UNPRINTABLE.search(words):
        what = f"the control character U+{ord(bad[0]):04X} is not allowed"
        raise UserError(Problem(what, "remove it", file, *end_of(words[: bad.start()])))


def end_of(before: str) -> tuple[int, int]:
    """Line and column, from 1, of what comes behind this text."""
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end has not been read."""

    path: Path
    data: dict[str, Any] | list[Any]
    key: str | None = None


@dataclass(slots=True)
class _Reader:
    """Builds documents from parse events with a stack of its own, so that nothing recurses."""

    file: str
    events: Iterator[Any]
    stack: list[_Open] = field(default_factory=list)
    started: int = 0
    root: Any = None
    values: dict[Path, Place] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)
    mistakes: list[Problem] = field(default_factory=list)

    def documents(self) -> Iterator[Document]:
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._count_document(event)
                self.root, self.values, self.keys, self.mistakes = None, {}, {}, []
            elif isinstance(event, yaml.DocumentEndEvent):
                yield Document(self.file, self.root, self.values, self.keys, tuple(self.mistakes))
            elif isinstance(event, yaml.NodeEvent):
                self._node(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                self.stack.pop()

    def _count_document(self, event: Any) -> None:
        self.started += 1
        if self.started > MAX_DOCUMENTS:
            place = Place(event.start_mark.line + 1, event.start_mark.column + 1)
            self._refuse(f"more than {MAX_DOCUMENTS} documents", "split the file", place)

    def _node(self, event: Any) -> None:
        place = Place(event.start_mark.line + 1, event.start_mark.column + 1)
        self._refuse_indirection(event, place)
        top = self.stack[-1] if self.stack else None
        if top and isinstance(top.data, dict) and top.key is None:
            self._key(event, place, top, top.data)
            return
        path = _path_below(top)
        self.values[path] = place
        if len(self.values) > MAX_VALUES:
            self._refuse(f"more than {MAX_VALUES} values", "split the file", place)
        self._attach(top, self._value(event, place), path, place)

    def _refuse_indirection(self, event: Any, place: Place) -> None:
        if event.anchor is not None:
            sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
            self._refuse(f"{shown(sign + event.anchor)} is an alias or anchor", "write the value out", place)
        if event.tag is not None:
            self._refuse(f"the tag {shown(event.tag)} is not allowed", "write the value without a tag", place)

    def _key(self, event: Any, place: Place, top: _Open, data: dict[str, Any]) -> None:
        if not isinstance(event, yaml.ScalarEvent):
            self._refuse("a mapping or list cannot be a key", "write a word before the colon", place)
        if event.value == "<<" and event.implicit[0]:
            self._refuse("merge keys (<<) are not allowed", "write the keys out", place)
        path = (*top.path, event.value)
        if event.value in data:
            what = f"the key {shown(event.value)} is a duplicate, first in line {self.keys[path].line}"
            self._refuse(what, "keep one of the two", place)
        top.key = event.value
        self.keys[path] = place

    def _value(self, event: Any, place: Place) -> Any:
        if isinstance(event, yaml.MappingStartEvent):
            return {}
        if isinstance(event, yaml.SequenceStartEvent):
            return []
        if not event.implicit[0]:
            return event.value
        try:
            return resolve(event.value)
        except Mistake as mistake:
            self.mistakes.append(Problem(mistake.what, mistake.fix, self.file, place.line, place.column))
            return event.value

    def _attach(self, top: _Open | None, value: Any, path: Path, place: Place) -> None:
        if top is None:
            self.root = value
        elif isinstance(top.data, list):
            top.data.append(value)
        elif top.key is not None:
            top.data[top.key], top.key = value, None
        if isinstance(value, dict | list):
            self.stack.append(_Open(path, value))
            if len(self.stack) > MAX_DEPTH:
                self._refuse(f"nested more than {MAX_DEPTH} levels deep", "write it flatter", place)

    def _refuse(self, what: str, fix: str, place: Place) -> NoReturn:
        raise UserError(Problem(what, fix, self.file, place.line, place.column))


def _path_below(top: _Open | None) -> Path:
    if top is None:
        return ()
    if isinstance(top.data, list):
        return (*top.path, len(top.data))
    return (*top.path, top.key or "")
