"""Protocol Buffers text format with the place of everything, so that a person's file can be edited, not rewritten.

Reads https://protobuf.dev/reference/protobuf/textformat-spec far enough to know where each field begins and ends.
What a text means is never decided here: callers parse the text before and after an edit with the official library.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Body", "Field", "Node", "PlaceError", "outline"]

_SKIP = re.compile(r"(?:\s+|#[^\n]*)*")
_NAME = re.compile(r"[A-Za-z_]\w*|\[[^\]]*\]|\d+")
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"|' + r"'(?:[^'\\\n]|\\.)*'", re.DOTALL)
_SCALAR = re.compile(r"-?\s*[A-Za-z0-9_.+-]+")
_COMMA = re.compile(",")
_CLOSING = {"{": "}", "<": ">"}


class PlaceError(ValueError):
    """The text is not in text format; ``offset`` says where reading stopped."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Body:
    """The fields between two braces; ``start`` and ``end`` are the offsets just inside them."""

    start: int
    end: int
    fields: tuple[Field, ...]

    def named(self, name: str) -> tuple[Field, ...]:
        """Every field of that name, in order."""
        return tuple(field for field in self.fields if field.name == name)

    def nodes(self, name: str) -> tuple[Node, ...]:
        """Every value of that name, in order, whether written as a list or as repeated fields."""
        return tuple(node for field in self.named(name) for node in field.nodes)


@dataclass(frozen=True, slots=True)
class Node:
    """One value; ``body`` where it is a message."""

    start: int
    end: int
    body: Body | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """One field as written: from the first letter of its name to the end of its value and separator."""

    name: str
    start: int
    end: int
    value_start: int
    value_end: int
    nodes: tuple[Node, ...]


def outline(text: str) -> Body:
    """Where everything stands in the text. PlaceError where it is not text format."""
    reader = _Reader(text)
    body = reader.body("")
    if reader.at != len(text):
        raise PlaceError(f"{text[reader.at]!r} closes nothing", reader.at)
    return body


class _Reader:
    """Recursive descent over one text; ``at`` is the next offset."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0

    def peek(self) -> str:
        match = _SKIP.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return self.text[self.at : self.at + 1]

    def take(self, pattern: re.Pattern[str], what: str) -> str:
        self.peek()
        match = pattern.match(self.text, self.at)
        if match is None:
            raise PlaceError(f"{what} is expected here", self.at)
        self.at = match.end()
        return match[0]

    def body(self, closing: str) -> Body:
        start, fields = self.at, []
        while (following := self.peek()) and following not in "}>":
            fields.append(self.field())
        if following != closing:
            raise PlaceError(f"{closing!r} is missing" if closing else f"{following!r} closes nothing", self.at)
        return Body(start, self.at, tuple(fields))

    def field(self) -> Field:
        self.peek()
        start = self.at
        name = self.take(_NAME, "a field name")
        if self.peek() == ":":
            self.at += 1
        self.peek()
        value_start = self.at
        nodes = self.list() if self.peek() == "[" else (self.node(),)
        value_end = end = self.at
        if self.peek() in (",", ";"):
            end = self.at + 1
        self.at = end
        return Field(name, start, end, value_start, value_end, nodes)

    def list(self) -> tuple[Node, ...]:
        self.at += 1
        nodes: list[Node] = []
        while self.peek() != "]":
            if nodes:
                self.take(_COMMA, "',' or ']'")
            nodes.append(self.node())
        self.at += 1
        return tuple(nodes)

    def node(self) -> Node:
        first = self.peek()
        start = self.at
        if first in _CLOSING:
            self.depth += 1
            if self.depth > 64:
                raise PlaceError("messages are nested too deep", start)
            self.at += 1
            body = self.body(_CLOSING[first])
            self.at += 1
            self.depth -= 1
            return Node(start, self.at, body)
        if first in ('"', "'"):
            self.take(_STRING, "the end of the string")
            end = self.at
            while self.peek() in ('"', "'"):
                self.take(_STRING, "the end of the string")
                end = self.at
            self.at = end
            return Node(start, end)
        self.take(_SCALAR, "a value")
        return Node(start, self.at)
