"""gRPC: unary calls over HTTP/2, many on one connection.

Two choices keep a call cheap. The client tells the server to use no dynamic header table, so equal header blocks mean
equal headers: hpack reads each one once, and later ones are looked up. And it opens its receive window as far as it
goes, so that a server hardly ever waits for it.
https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import hpack

from tuner.load.codec import Answer, Answered, MalformedAnswerError
from tuner.load.frame import (
    ACK,
    CANCEL,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW,
    LARGEST_FRAME,
    LARGEST_WINDOW,
    PING,
    PREFACE,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Frame,
    FrameReader,
    frame,
    number,
    numbers,
    setting,
    settings,
    stripped,
)

__all__ = ["CallScript", "Calls"]

STREAMS = 32
"""Calls on one connection at a time, or fewer where the server says so."""
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = 1, 2, 3, 4, 5
REPLENISH = 2**30
KNOWN_BLOCKS = 512
LARGEST_BLOCK = 65_536
LAST_STREAM = 2**31 - 3
PREFIX = 5
"""Bytes before a message: is it compressed, and its length."""
NOT_OWN = frozenset({"host", "content-length"})


class Prepared(NamedTuple):
    """One request: its header block, and its message with the prefix."""

    block: bytes
    body: bytes


class Fields(NamedTuple):
    """What the headers of an answer, or the trailers after it, say; ``None`` where they do not."""

    status: str | None
    grpc_status: str | None


class CallScript:
    """A ``Script`` of calls, each written as a request head of HTTP/1.1 and the message with its prefix as its body."""

    def __init__(self) -> None:
        self.prepared: Sequence[Prepared] = ()
        self.streams = STREAMS
        self.known: dict[bytes, Fields] = {}

    def begin(self, payloads: Sequence[bytes], outstanding: int) -> None:
        self.prepared = tuple(_prepared(payload) for payload in payloads)
        self.streams = min(STREAMS, outstanding)

    def connection(self) -> Calls:
        return Calls(self)


def _prepared(payload: bytes) -> Prepared:
    head, _, body = payload.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    method, path, _ = first.split(" ")
    fields = dict(line.split(": ", 1) for line in lines)
    names = {name.lower(): value for name, value in fields.items()}
    headers = {":method": method, ":scheme": "http", ":path": path, ":authority": names.get("host", "")}
    headers |= {name: value for name, value in names.items() if name not in NOT_OWN}
    # "sensitive" fields are literals that leave no trace in the server's table: the block fits every connection
    return Prepared(hpack.Encoder().encode([(*pair, True) for pair in headers.items()], huffman=True), body)


class Call:
    """One call under way. ``window`` is how much of its body the server takes now, ``sent`` how much has gone."""

    __slots__ = ("body", "faulty", "got", "heard", "index", "message", "sent", "stated", "window")

    def __init__(self, index: int, body: bytes, window: int, heard: int) -> None:
        self.index = index
        self.body = body
        self.window = window
        self.heard = heard
        self.sent = 0
        self.got = 0
        self.message = b""
        self.stated: Fields | None = None
        self.faulty: str | None = None


class Calls:
    """A ``Codec`` of many calls at a time."""

    __slots__ = (
        "_block",
        "_block_flags",
        "_block_stream",
        "_blocked",
        "_calls",
        "_consumed",
        "_frame_size",
        "_greeted",
        "_heard",
        "_initial_window",
        "_limit",
        "_next",
        "_reader",
        "_script",
        "_streams",
        "_window",
        "lasting",
        "owed",
        "room",
    )

    def __init__(self, script: CallScript) -> None:
        self._script = script
        self._reader = FrameReader()
        self._calls: dict[int, Call] = {}
        self._streams: dict[int, int] = {}
        self._blocked: deque[int] = deque()
        self._next = 1
        self._limit = LARGEST_WINDOW
        self._window = self._initial_window = INITIAL_WINDOW
        self._frame_size = LARGEST_FRAME
        self._consumed = 0
        self._heard = 0
        self._greeted = False
        self._block: bytes | None = None
        self._block_stream = self._block_flags = 0
        self.room = 0
        self.lasting = True
        self.owed = b""

    def greet(self) -> bytes:
        own = setting(HEADER_TABLE_SIZE, 0) + setting(ENABLE_PUSH, 0) + setting(INITIAL_WINDOW_SIZE, LARGEST_WINDOW)
        widen = frame(WINDOW_UPDATE, 0, 0, numbers(LARGEST_WINDOW - INITIAL_WINDOW))
        return PREFACE + frame(SETTINGS, 0, 0, own) + widen

    def ask(self, index: int) -> bytes:
        prepared = self._script.prepared
        block, body = prepared[index % len(prepared)]
        stream, self._next = self._next, self._next + 2
        call = Call(index, body, self._initial_window, self._heard)
        self._calls[stream] = call
        self._streams[index] = stream
        self._make_room()
        opening = frame(HEADERS, END_HEADERS, stream, block)
        if len(body) <= min(self._frame_size, call.window, self._window) and not self._blocked:
            call.sent = len(body)
            self._window -= call.sent
            return opening + frame(DATA, END_STREAM, stream, body)
        self._blocked.append(stream)
        return opening + self._unblock()

    def asked(self) -> Collection[int]:
        return self._streams

    def feed(self, data: bytes, moment: float) -> Sequence[Answered]:  # noqa: ARG002 - whole answers alone count
        answers: list[Answered] = []
        self._heard += 1
        for received in self._reader.feed(data):
            if not self._greeted and received.kind != SETTINGS:
                raise MalformedAnswerError("the server does not begin with its settings")
            if self._block is not None and received.kind != CONTINUATION:
                raise MalformedAnswerError("headers that are not continued")
            if received.kind == DATA:
                self._data(received, answers)
            elif received.kind == HEADERS:
                self._headers(received, answers)
            else:
                self._rare(received, answers)
        return answers

    def end(self) -> Sequence[Answered]:
        return ()

    def cancel(self, index: int) -> bool:
        """The stream is reset. A connection on which nothing came since the request was sent takes no more of them."""
        stream = self._streams[index]
        if self._calls[stream].heard == self._heard:
            self.lasting = False
        self._reset(stream)
        return True

    def _make_room(self) -> None:
        usable = self.lasting and self._greeted and self._next < LAST_STREAM
        self.room = max(min(self._limit, self._script.streams) - len(self._calls), 0) if usable else 0

    def _unblock(self) -> bytes:
        """DATA frames, as many as the server's windows allow, calls in the order in which they were asked."""
        parts: list[bytes] = []
        waiting: deque[int] = deque()
        while self._blocked:
            stream = self._blocked.popleft()
            call = self._calls.get(stream)
            if call is None:
                continue
            size = len(call.body)
            while call.sent < size and (allowed := min(self._frame_size, call.window, self._window)) > 0:
                part = call.body[call.sent : call.sent + allowed]
                call.sent += len(part)
                call.window -= len(part)
                self._window -= len(part)
                parts.append(frame(DATA, END_STREAM if call.sent == size else 0, stream, part))
            if call.sent < size:
                waiting.append(stream)
        self._blocked = waiting
        return b"".join(parts)

    def _data(self, received: Frame, answers: list[Answered]) -> None:
        self._consumed += len(received.payload)
        if self._consumed >= REPLENISH:
            self.owed += frame(WINDOW_UPDATE, 0, 0, numbers(self._consumed))
            self._consumed = 0
        call = self._calls.get(received.stream)
        if call is None:
            self._check_stream(received.stream)
            return
        payload = stripped(received)
        if call.got < PREFIX:
            call.message += payload[: PREFIX - call.got]
        call.got += len(payload)
        if received.flags & END_STREAM:
            self._answered(received.stream, Answer("malformed", 0), answers)

    def _headers(self, received: Frame, answers: list[Answered]) -> None:
        self._check_stream(received.stream)
        block = stripped(received)
        if received.flags & END_HEADERS:
            self._fields(received.stream, block, received.flags, answers)
        else:
            self._block, self._block_stream, self._block_flags = block, received.stream, received.flags

    def _continuation(self, received: Frame, answers: list[Answered]) -> None:
        if self._block is None or received.stream != self._block_stream:
            raise MalformedAnswerError("a continuation of nothing")
        self._block += received.payload
        if len(self._block) > LARGEST_BLOCK:
            raise MalformedAnswerError("headers without end")
        if received.flags & END_HEADERS:
            block, self._block = self._block, None
            self._fields(received.stream, block, self._block_flags, answers)

    def _fields(self, stream: int, block: bytes, flags: int, answers: list[Answered]) -> None:
        fields = self._script.known.get(block)
        if fields is None:
            fields = self._learn(block)
        call = self._calls.get(stream)
        if call is None:
            return
        if call.stated is None and fields.status is not None and not fields.status.startswith("1"):
            call.stated = fields
        if flags & END_STREAM:
            self._answered(stream, _answer(call, fields), answers)

    def _learn(self, block: bytes) -> Fields:
        try:
            headers = {str(name): str(value) for name, value in hpack.Decoder(LARGEST_BLOCK).decode(block)}
        except hpack.HPACKError as error:
            raise MalformedAnswerError(str(error)) from error
        except UnicodeDecodeError as error:
            raise MalformedAnswerError("headers that are no text") from error
        if len(self._script.known) >= KNOWN_BLOCKS:
            self._script.known.clear()
        fields = self._script.known[block] = Fields(headers.get(":status"), headers.get("grpc-status"))
        return fields

    def _answered(self, stream: int, answer: Answer, answers: list[Answered]) -> None:
        call = self._calls[stream]
        answers.append((call.index, answer))
        if call.sent < len(call.body):
            self._reset(stream)
        else:
            self._forget(stream)

    def _reset(self, stream: int) -> None:
        self.owed += frame(RST_STREAM, 0, stream, numbers(CANCEL))
        self._forget(stream)

    def _forget(self, stream: int) -> None:
        del self._streams[self._calls.pop(stream).index]
        self._make_room()

    def _rare(self, received: Frame, answers: list[Answered]) -> None:
        kind, payload = received.kind, received.payload
        if kind == CONTINUATION:
            self._continuation(received, answers)
        elif kind == SETTINGS and not received.flags & ACK:
            self._settle(settings(payload))
        elif kind == PING and not received.flags & ACK:
            self.owed += frame(PING, ACK, 0, payload)
        elif kind == WINDOW_UPDATE:
            self._widen(received.stream, number(payload))
        elif kind == RST_STREAM:
            self._check_stream(received.stream)
            if received.stream in self._calls:
                answers.append((self._calls[received.stream].index, Answer("reset", 0)))
                self._forget(received.stream)
        elif kind == GOAWAY:
            self._go(number(payload), answers)
        elif kind == PUSH_PROMISE:
            raise MalformedAnswerError("a push that was refused beforehand")

    def _settle(self, told: Mapping[int, int]) -> None:
        self._greeted = True
        self._limit = told.get(MAX_CONCURRENT_STREAMS, self._limit)
        self._frame_size = min(max(told.get(MAX_FRAME_SIZE, self._frame_size), LARGEST_FRAME), 2**24 - 1)
        window = told.get(INITIAL_WINDOW_SIZE, self._initial_window)
        if window > LARGEST_WINDOW:
            raise MalformedAnswerError("a window that is too large")
        for call in self._calls.values():
            call.window += window - self._initial_window
        self._initial_window = window
        self.owed += frame(SETTINGS, ACK, 0, b"") + self._unblock()
        self._make_room()

    def _widen(self, stream: int, by: int) -> None:
        if stream == 0:
            self._window += by
        elif stream in self._calls:
            self._calls[stream].window += by
        self.owed += self._unblock()

    def _go(self, last: int, answers: list[Answered]) -> None:
        """The server takes no new calls, and those after the last that it names are lost."""
        self.lasting = False
        for stream in [stream for stream in self._calls if stream > last]:
            answers.append((self._calls[stream].index, Answer("reset", 0)))
            self._forget(stream)
        self._make_room()

    def _check_stream(self, stream: int) -> None:
        if not 0 < stream < self._next or not stream % 2:
            raise MalformedAnswerError("an answer that nobody asked for")


def _answer(call: Call, last: Fields) -> Answer:
    """From headers, message and trailers; the message's length without its prefix."""
    status = call.stated.status if call.stated else None
    if status != "200":
        return Answer(f"http-{status}" if status and status.isdigit() else "malformed", 0)
    if last.grpc_status != "0":
        known = last.grpc_status is not None and last.grpc_status.isdecimal()
        return Answer(f"grpc-{last.grpc_status}" if known else "malformed", 0)
    length = call.got - PREFIX
    if length < 0 or call.message[0] > 1 or int.from_bytes(call.message[1:], "big") != length:
        return Answer("malformed", 0)
    return Answer(None, length)
