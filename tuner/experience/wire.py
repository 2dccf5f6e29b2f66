"""The wire format of protocol buffers, read field by field from a file that anybody may have written.

A message class would take many times the file's size in memory, and the file's word for how much that is. Here a field
that is not looked at costs a jump, and how much is looked at has a limit.
Format: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["BrokenMessageError", "Message", "Span"]

MOST_FIELDS = 2_000_000
"""Fields and packed numbers that are looked at in one file."""
MOST_TEXT = 64 * 2**20
"""Bytes that are read as text in one file."""
_PAGE = 1 << 16
_LONGEST_VARINT = 10
_FIXED = {1: 8, 5: 4}
"""Bytes of the wire types of fixed length."""


class BrokenMessageError(Exception):
    """The bytes are no such message, or more of it than is read."""


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes of one field: from ``start`` up to ``end``, offsets in the file."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """Number of bytes."""
        return self.end - self.start


@dataclass(slots=True)
class Message:
    """A file of ``size`` bytes, open as a descriptor, that holds one message. It may shrink while it is read."""

    descriptor: int
    size: int
    _at: int = 0
    _page: bytes = b""
    _fields: int = 0
    _text: int = 0
    _whole: Span = field(init=False)

    def __post_init__(self) -> None:
        self._whole = Span(0, self.size)

    def fields(self, span: Span | None = None) -> Iterator[tuple[int, int | Span]]:
        """Each field of a message with its number: its value where it is a varint, else where its bytes are.

        BrokenMessageError where the bytes are no message.
        """
        at, end = (span or self._whole).start, (span or self._whole).end
        while at < end:
            self._look()
            key, at = self._varint(at, end)
            number, wire = key >> 3, key & 7
            if number == 0 or number >= 2**29:
                raise BrokenMessageError(f"there is no field {number}")
            value: int | Span
            if wire == 0:
                value, at = self._varint(at, end)
            elif wire == 2 or wire in _FIXED:
                length, at = (_FIXED[wire], at) if wire in _FIXED else self._varint(at, end)
                if length > end - at:
                    raise BrokenMessageError("it ends within a field")
                value, at = Span(at, at + length), at + length
            else:
                raise BrokenMessageError(f"there is no wire type {wire} in it")
            yield number, value

    def text(self, span: Span) -> str:
        """The bytes as text; what is no UTF-8 is replaced."""
        return self._bytes(span).decode(errors="replace")

    def numbers(self, value: int | Span) -> Iterator[int]:
        """A repeated number of 64 bits with a sign: one value, or many that are packed."""
        if isinstance(value, int):
            yield _signed(value)
            return
        at = value.start
        while at < value.end:
            self._look()
            number, at = self._varint(at, value.end)
            yield _signed(number)

    def _bytes(self, span: Span) -> bytes:
        self._count(span.length)
        return self._read(span.start, span.length)

    def _look(self) -> None:
        self._fields += 1
        if self._fields > MOST_FIELDS:
            raise BrokenMessageError(f"it has more than {MOST_FIELDS:,} fields")

    def _count(self, length: int) -> None:
        self._text += length
        if self._text > MOST_TEXT:
            raise BrokenMessageError(f"it has more than {MOST_TEXT >> 20} MiB of names")

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        """The number that begins there, and where the next byte is."""
        inside = at - self._at
        if at < end and 0 <= inside < len(self._page) and self._page[inside] < 0x80:
            return self._page[inside], at + 1
        number = 0
        for index, byte in enumerate(self._read(at, min(_LONGEST_VARINT, end - at))):
            number |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:
                return number & (2**64 - 1), at + index + 1
        raise BrokenMessageError("it ends within a number, or the number has no end")

    def _read(self, at: int, length: int) -> bytes:
        inside = at - self._at
        if not 0 <= inside <= len(self._page) - length:
            self._page = os.pread(self.descriptor, max(length, _PAGE), at)
            self._at, inside = at, 0
            if len(self._page) < length:
                raise BrokenMessageError("the file ends too early")
        return self._page[inside : inside + length]


def _signed(number: int) -> int:
    return number - 2**64 if number >= 2**63 else number
