"""HTTP/1.1 on one connection: one request, then its answer, then the next one."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tuner.load.answer import AnswerReader, Head
from tuner.load.codec import Answered, MalformedAnswerError

__all__ = ["Exchange", "HttpScript"]


class HttpScript:
    """A ``Script`` of whole HTTP/1.1 requests; a good answer is a 200."""

    def __init__(self) -> None:
        self.payloads: Sequence[bytes] = ()
        self.known: dict[bytes, Head] = {}

    def begin(self, payloads: Sequence[bytes], outstanding: int) -> None:  # noqa: ARG002 - one for each connection
        self.payloads = payloads

    def connection(self) -> Exchange:
        return Exchange(self)


class Exchange:
    """A ``Codec`` for answers that are read whole."""

    __slots__ = ("_index", "_reader", "_script", "lasting", "owed", "room")

    def __init__(self, script: HttpScript) -> None:
        self._script = script
        self._reader = AnswerReader(script.known)
        self._index = -1
        self.room = 1
        self.lasting = True
        self.owed = b""

    def greet(self) -> bytes:
        return b""

    def ask(self, index: int) -> bytes:
        self._index = index
        self.room = 0
        payloads = self._script.payloads
        return payloads[index % len(payloads)]

    def asked(self) -> Collection[int]:
        return () if self._index < 0 else (self._index,)

    def feed(self, data: bytes, moment: float) -> Sequence[Answered]:  # noqa: ARG002 - whole answers alone count
        if self._index < 0:
            raise MalformedAnswerError("an answer that nobody asked for")
        return self._answered() if self._reader.feed(data) else ()

    def end(self) -> Sequence[Answered]:
        return self._answered() if self._index >= 0 and self._reader.closed() else ()

    def _answered(self) -> Sequence[Answered]:
        index, head = self._index, self._reader.head
        self._index = -1
        self.lasting = head.keep
        self.room = 1 if head.keep else 0
        return ((index, head.answer),)

    def cancel(self, index: int) -> bool:  # noqa: ARG002 - there is but one
        return False
