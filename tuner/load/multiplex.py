"""gRPC: unary calls over HTTP/2, many on one connection.

Two choices keep a call cheap. The client tells the server to use no dynamic header table, so equal header blocks mean
equal headers: hpack reads each one once, and later ones are looked up. And it opens its receive window as far as it
goes, so that a server hardly ever waits for it.
https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence

from tuner.load.call import Call, Fields, Prepared
from tuner.load.codec import Answer, Answered, MalformedAnswerError
from tuner.load.frame import (
    ACK,
    CANCEL,
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
"""Bytes received after which the server's window is widened again."""
KNOWN_BLOCKS = 512
LAST_STREAM = 2**31 - 3


class CallScript:
    """A ``Script`` of calls, each written as a request head of HTTP/1.1 and the message with its prefix as its body."""

    def __init__(self) -> None:
        self.prepared: Sequence[Prepared] = ()
        self.streams = STREAMS
        self.known: dict[bytes, Fields] = {}

    def begin(self, payloads: Sequence[bytes], outstanding: int) -> None:
        self.prepared = tuple(Prepared.of(payload) for payload in payloads)
        self.streams = min(STREAMS, outstanding)

    def connection(self) -> Calls:
        return Calls(self)

    def fields(self, block: bytes) -> Fields:
        """What a header block says. MalformedAnswerError."""
        fields = self.known.get(block)
        if fields is None:
            if len(self.known) >= KNOWN_BLOCKS:
                self.known.clear()
            fields = self.known[block] = Fields.of(block)
        return fields


class Calls:
    """A ``Codec`` of many calls at a time, each in a stream of its own."""

    __slots__ = (
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
        call = self._calls[stream] = Call(index, body, self._initial_window, self._heard)
        self._streams[index] = stream
        self._make_room()
        opening = frame(HEADERS, END_HEADERS, stream, block)
        if not self._blocked and len(body) <= min(self._frame_size, self._window, call.window):
            self._window -= len(body)
            return opening + frame(DATA, END_STREAM, stream, call.portion(len(body)))
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
        for _ in range(len(self._blocked)):
            stream = self._blocked.popleft()
            call = self._calls.get(stream)
            while call is not None and (part := call.portion(min(self._frame_size, self._window))):
                self._window -= len(part)
                parts.append(frame(DATA, END_STREAM if call.whole else 0, stream, part))
            if call is not None and not call.whole:
                self._blocked.append(stream)
        return b"".join(parts)

    def _data(self, received: Frame, answers: list[Answered]) -> None:
        self._consumed += len(received.payload)
        if self._consumed >= REPLENISH:
            self.owed += frame(WINDOW_UPDATE, 0, 0, numbers(self._consumed))
            self._consumed = 0
        call = self._call(received.stream)
        if call is not None:
            call.take(stripped(received))
            if received.flags & END_STREAM:
                self._answered(received.stream, Answer("malformed", 0), answers)

    def _headers(self, received: Frame, answers: list[Answered]) -> None:
        fields = self._script.fields(received.payload)
        call = self._call(received.stream)
        if call is not None:
            call.told(fields)
            if received.flags & END_STREAM:
                self._answered(received.stream, call.answer(fields), answers)

    def _call(self, stream: int) -> Call | None:
        """The call of a stream, ``None`` where it is over. MalformedAnswerError where there never was one."""
        if not 0 < stream < self._next or not stream % 2:
            raise MalformedAnswerError("an answer that nobody asked for")
        return self._calls.get(stream)

    def _answered(self, stream: int, answer: Answer, answers: list[Answered]) -> None:
        call = self._calls[stream]
        answers.append((call.index, answer))
        if call.whole:
            self._forget(stream)
        else:
            self._reset(stream)

    def _reset(self, stream: int) -> None:
        self.owed += frame(RST_STREAM, 0, stream, numbers(CANCEL))
        self._forget(stream)

    def _forget(self, stream: int) -> None:
        del self._streams[self._calls.pop(stream).index]
        self._make_room()

    def _rare(self, received: Frame, answers: list[Answered]) -> None:
        kind, payload = received.kind, received.payload
        if kind == SETTINGS and not received.flags & ACK:
            self._settle(settings(payload))
        elif kind == PING and not received.flags & ACK:
            self.owed += frame(PING, ACK, 0, payload)
        elif kind == WINDOW_UPDATE:
            self._widen(received.stream, number(payload))
        elif kind == RST_STREAM:
            if (call := self._call(received.stream)) is not None:
                answers.append((call.index, Answer("reset", 0)))
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
        elif (call := self._call(stream)) is not None:
            call.window += by
        self.owed += self._unblock()

    def _go(self, last: int, answers: list[Answered]) -> None:
        """The server takes no new calls, and those after the last that it names are lost."""
        self.lasting = False
        for stream in [stream for stream in self._calls if stream > last]:
            answers.append((self._calls[stream].index, Answer("reset", 0)))
            self._forget(stream)
        self._make_room()
