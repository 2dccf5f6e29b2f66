"""HTTP/1.1 whose answers are streams of events: OpenAI-style completions, a token or a few in each event."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import h11

from tuner.load.answer import ASKED, KNOWN_HEADS, AnswerReader
from tuner.load.chunk import ChunkReader
from tuner.load.codec import Answer, Answered, MalformedAnswerError
from tuner.load.event import EventReader

__all__ = ["Stream", "StreamScript"]

LONGEST_HEAD = 65_536


@dataclass(frozen=True, slots=True)
class StreamHead:
    """What the head of a 200 with events says; without chunks the stream ends with the connection."""

    chunked: bool
    keep: bool


class StreamScript:
    """A ``Script`` of whole HTTP/1.1 requests whose good answers are streams of events."""

    def __init__(self) -> None:
        self.payloads: Sequence[bytes] = ()
        self.known: dict[bytes, StreamHead | None] = {}

    def begin(self, payloads: Sequence[bytes], outstanding: int) -> None:  # noqa: ARG002 - one for each connection
        self.payloads = payloads

    def connection(self) -> Stream:
        return Stream(self)

    def head(self, raw: bytes) -> StreamHead | None:
        """What a head says; ``None`` where no events follow. MalformedAnswerError."""
        if raw not in self.known:
            if len(self.known) >= KNOWN_HEADS:
                self.known.clear()
            self.known[raw] = _head(raw)
        return self.known[raw]


def _head(raw: bytes) -> StreamHead | None:
    protocol = h11.Connection(h11.CLIENT)
    protocol.send(ASKED)
    protocol.send(h11.EndOfMessage())
    try:
        protocol.receive_data(raw)
        response = protocol.next_event()
    except h11.RemoteProtocolError as error:
        raise MalformedAnswerError(str(error)) from error
    if not isinstance(response, h11.Response) or response.status_code != 200:
        return None
    headers = {name: value.lower() for name, value in response.headers}
    if not headers.get(b"content-type", b"").startswith(b"text/event-stream") or b"content-length" in headers:
        return None
    chunked = b"transfer-encoding" in headers
    return StreamHead(chunked, chunked and b"close" not in headers.get(b"connection", b""))


class Stream:
    """A ``Codec`` for answers that come in events.

    A request is answered when its stream has ended after ``[DONE]``. Faults: ``error`` (the stream says so), ``cut``
    (it ended before), ``empty`` (no token came), ``shape`` (a 200 without events), ``http-<status>``.
    """

    __slots__ = ("_chunks", "_events", "_head", "_index", "_plain", "_rest", "_script", "lasting", "owed", "room")

    def __init__(self, script: StreamScript) -> None:
        self._script = script
        self._index = -1
        self._restart()
        self.room = 1
        self.lasting = True
        self.owed = b""

    def _restart(self) -> None:
        self._rest = b""
        self._head: StreamHead | None = None
        self._plain: AnswerReader | None = None
        self._chunks = ChunkReader()
        self._events = EventReader()

    def greet(self) -> bytes:
        return b""

    def ask(self, index: int) -> bytes:
        self._index = index
        self.room = 0
        payloads = self._script.payloads
        return payloads[index % len(payloads)]

    def asked(self) -> Collection[int]:
        return () if self._index < 0 else (self._index,)

    def feed(self, data: bytes, moment: float) -> Sequence[Answered]:
        if self._index < 0:
            raise MalformedAnswerError("an answer that nobody asked for")
        if self._plain is not None:
            return self._read_plain(data)
        if self._head is None:
            return self._begin(self._rest + data, moment)
        return self._read(self._head, data, moment)

    def end(self) -> Sequence[Answered]:
        if self._index < 0:
            return ()
        if self._plain is not None:
            return self._plain_answer(self._plain) if self._plain.closed() else ()
        if self._head is None or self._head.chunked:
            return ()
        return self._answered(keep=False)

    def cancel(self, index: int) -> bool:  # noqa: ARG002 - there is but one
        return False

    def _begin(self, data: bytes, moment: float) -> Sequence[Answered]:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            if len(data) > LONGEST_HEAD:
                raise MalformedAnswerError("a head without end")
            self._rest = data
            return ()
        self._rest = b""
        head = self._head = self._script.head(data[: end + 4])
        if head is None:
            self._plain = AnswerReader()
            return self._read_plain(data)
        return self._read(head, data[end + 4 :], moment)

    def _read(self, head: StreamHead, data: bytes, moment: float) -> Sequence[Answered]:
        self._events.feed(self._chunks.feed(data) if head.chunked else data, moment)
        return self._answered(keep=head.keep) if self._chunks.ended else ()

    def _read_plain(self, data: bytes) -> Sequence[Answered]:
        reader = self._plain
        return self._plain_answer(reader) if reader is not None and reader.feed(data) else ()

    def _plain_answer(self, reader: AnswerReader) -> Sequence[Answered]:
        answer = reader.head.answer
        return self._over(Answer(answer.fault or "shape", answer.length), keep=reader.head.keep)

    def _answered(self, *, keep: bool) -> Sequence[Answered]:
        events = self._events
        fault = "error" if events.fault else "cut" if not events.done else None if events.tokens.moments else "empty"
        return self._over(Answer(fault, 0, events.tokens), keep=keep)

    def _over(self, answer: Answer, *, keep: bool) -> Sequence[Answered]:
        index, self._index = self._index, -1
        self.lasting = keep
        self.room = 1 if keep else 0
        self._restart()
        return ((index, answer),)
