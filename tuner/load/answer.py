"""Reading answers off a connection: where an HTTP/1.1 answer ends, what its status is, how long its body was.

h11 reads every head that is new. Under load nearly every answer has a head seen before with a known length of its
body: those cost one dictionary look-up, and their bodies are only counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import h11

from tuner.load.codec import Answer, MalformedAnswerError

__all__ = ["ASKED", "KNOWN_HEADS", "AnswerReader", "Head"]

KNOWN_HEADS = 512
ASKED = h11.Request(method="POST", target="/", headers=[("Host", "server"), ("Content-Length", "0")])


@dataclass(frozen=True, slots=True)
class Head:
    """What a head says of its answer; ``keep`` where the connection may be used again."""

    status: int
    length: int
    keep: bool
    answer: Answer = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        fault = None if self.status == 200 else f"http-{self.status}"
        object.__setattr__(self, "answer", Answer(fault, self.length))


class AnswerReader:
    """Reads one answer after another from one connection; ``head`` describes the last whole one."""

    __slots__ = ("_first", "_known", "_left", "_protocol", "_stated", "_status", "head")

    def __init__(self, known: dict[bytes, Head] | None = None) -> None:
        """``known`` remembers what heads say; the readers of one server share it."""
        self._known = {} if known is None else known
        self._protocol: h11.Connection | None = None
        self._first = b""
        self._left = 0
        self._status = 0
        self._stated = False
        self.head = Head(0, 0, keep=True)

    def feed(self, data: bytes) -> bool:
        """Take what came; True when an answer is whole. MalformedAnswerError where it cannot be one."""
        if self._protocol is not None:
            return self._read(data)
        if self._left:
            self._left -= len(data)
        else:
            end = data.find(b"\r\n\r\n")
            head = self._known.get(data[:end]) if end > 0 else None
            if head is None:
                return self._start(data, end)
            self.head = head
            self._left = head.length + end + 4 - len(data)
        if self._left < 0:
            raise MalformedAnswerError("more came than one answer")
        return not self._left

    def closed(self) -> bool:
        """The server closed the connection: True where that is how a whole answer ended."""
        try:
            return self._protocol is not None and self._read(b"")
        except MalformedAnswerError:
            return False

    def _start(self, data: bytes, end: int) -> bool:
        self._protocol = h11.Connection(h11.CLIENT)
        self._protocol.send(ASKED)
        self._protocol.send(h11.EndOfMessage())
        self._first = data[:end] if end > 0 else b""
        self._left = 0
        return self._read(data)

    def _read(self, data: bytes) -> bool:
        """``_left`` counts the body down from zero while h11 reads it."""
        protocol = self._protocol
        assert protocol is not None  # noqa: S101 - for the type checker: both callers have looked
        try:
            protocol.receive_data(data)
            while (event := protocol.next_event()) is not h11.NEED_DATA:
                if isinstance(event, h11.Response):
                    self._status = event.status_code
                    names = [name for name, _ in event.headers]
                    self._stated = b"content-length" in names and b"transfer-encoding" not in names
                elif isinstance(event, h11.InformationalResponse):
                    self._first = b""  # the head that came first is not the answer's
                elif isinstance(event, h11.Data):
                    self._left -= len(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    return self._end(protocol)
                elif isinstance(event, (h11.ConnectionClosed, h11.PAUSED)):
                    raise MalformedAnswerError("the connection ended where an answer was due")
        except h11.RemoteProtocolError as error:
            raise MalformedAnswerError(str(error)) from error
        return False

    def _end(self, protocol: h11.Connection) -> bool:
        self.head = Head(self._status, -self._left, keep=protocol.their_state is h11.DONE)
        rest, _ = protocol.trailing_data
        if rest:
            raise MalformedAnswerError("more came than one answer")
        if self._stated and self._first:
            if len(self._known) >= KNOWN_HEADS:
                self._known.clear()
            self._known[self._first] = self.head
        self._protocol, self._left = None, 0
        return True
