"""HTTP/2 frames as a client reads and writes them (RFC 9113, 4 and 6)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from tuner.load.codec import MalformedAnswerError

__all__ = [
    "ACK",
    "CANCEL",
    "CONTINUATION",
    "DATA",
    "END_HEADERS",
    "END_STREAM",
    "GOAWAY",
    "HEADERS",
    "INITIAL_WINDOW",
    "LARGEST_BLOCK",
    "LARGEST_FRAME",
    "LARGEST_WINDOW",
    "PING",
    "PREFACE",
    "PUSH_PROMISE",
    "RST_STREAM",
    "SETTINGS",
    "WINDOW_UPDATE",
    "Frame",
    "FrameReader",
    "frame",
    "number",
    "numbers",
    "setting",
    "settings",
    "stripped",
]

DATA, HEADERS, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 5, 6, 7, 8, 9
ACK = END_STREAM = 0x1
END_HEADERS, PADDED, PRIORITY = 0x4, 0x8, 0x20
CANCEL = 8
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
INITIAL_WINDOW = 65_535
LARGEST_WINDOW = 2**31 - 1
LARGEST_FRAME = 16_384
"""What a frame holds at most where the other side has not said that it takes more."""

LARGEST_BLOCK = 65_536
"""Bytes of a header block that are taken at most."""

_SHAPE = END_HEADERS | PADDED | PRIORITY
_HEAD = struct.Struct(">HBBBL")
_SETTING = struct.Struct(">HL")
_NUMBER = struct.Struct(">L")


class Frame(NamedTuple):
    """One frame."""

    kind: int
    flags: int
    stream: int
    payload: bytes


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """The bytes of a frame."""
    size = len(payload)
    return _HEAD.pack(size >> 8, size & 0xFF, kind, flags, stream) + payload


class FrameReader:
    """Cuts what comes into frames; keeps less than one, and headers until they are whole."""

    __slots__ = ("_open", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._open: Frame | None = None

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are whole now; HEADERS hold their block, with all CONTINUATION of it, and nothing else.

        MalformedAnswerError for a frame that is larger than this side takes, or headers that are not continued.
        """
        if self._rest:
            data = self._rest + data
        position, size = 0, len(data)
        while size - position >= 9:
            high, low, kind, flags, stream = _HEAD.unpack_from(data, position)
            length = high << 8 | low
            if length > LARGEST_FRAME:
                raise MalformedAnswerError(f"a frame of {length} bytes")
            begin = position + 9
            if size - begin < length:
                break
            position = begin + length
            received = Frame(kind, flags, stream & LARGEST_WINDOW, data[begin:position])
            plain = kind not in (HEADERS, CONTINUATION) or (kind == HEADERS and flags & _SHAPE == END_HEADERS)
            if plain and self._open is None:
                yield received
            elif (whole := self._headers(received)) is not None:
                yield whole
        self._rest = data[position:]

    def _headers(self, received: Frame) -> Frame | None:
        """The HEADERS whose block ends with this frame."""
        begun = self._open
        if begun is None and received.kind == HEADERS:
            begun = received._replace(payload=stripped(received))
        elif begun is not None and received.kind == CONTINUATION and received.stream == begun.stream:
            begun = begun._replace(payload=begun.payload + received.payload)
        else:
            raise MalformedAnswerError("headers that are not continued, or a continuation of nothing")
        if len(begun.payload) > LARGEST_BLOCK:
            raise MalformedAnswerError("headers without end")
        whole = received.flags & END_HEADERS
        self._open = None if whole else begun
        return begun if whole else None


def stripped(received: Frame) -> bytes:
    """The payload of DATA or HEADERS without padding and priority. MalformedAnswerError."""
    payload, begin, padding = received.payload, 0, 0
    if received.flags & PADDED:
        begin, padding = 1, payload[0] if payload else 1
    if received.kind == HEADERS and received.flags & PRIORITY:
        begin += 5
    if begin + padding > len(payload):
        raise MalformedAnswerError("a frame with more padding than content")
    return payload[begin : len(payload) - padding]


def number(payload: bytes, offset: int = 0) -> int:
    """The 31 bits there. MalformedAnswerError where there are none."""
    if len(payload) < offset + 4:
        raise MalformedAnswerError("a frame that is too short")
    return int(_NUMBER.unpack_from(payload, offset)[0]) & LARGEST_WINDOW


def numbers(value: int) -> bytes:
    """A number as the payload of a frame."""
    return _NUMBER.pack(value)


def setting(identifier: int, value: int) -> bytes:
    """One entry of a SETTINGS frame."""
    return _SETTING.pack(identifier, value)


def settings(payload: bytes) -> dict[int, int]:
    """The entries of a SETTINGS frame; the last of each counts. MalformedAnswerError."""
    if len(payload) % _SETTING.size:
        raise MalformedAnswerError("a SETTINGS frame that is cut")
    return dict(_SETTING.iter_unpack(payload))
