"""One gRPC call: what is sent for it, and what its answer says.

https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

from __future__ import annotations

from typing import NamedTuple

import hpack

from tuner.load.codec import Answer, MalformedAnswerError
from tuner.load.frame import LARGEST_BLOCK

__all__ = ["Call", "Fields", "Prepared"]

PREFIX = 5
"""Bytes before a message: whether it is compressed, and its length."""
NOT_OWN = frozenset({"host", "content-length"})


class Prepared(NamedTuple):
    """One request: its header block, and its message with the prefix."""

    block: bytes
    body: bytes

    @classmethod
    def of(cls, payload: bytes) -> Prepared:
        """The request that is written in the words of HTTP/1.1.

        Its fields are marked as sensitive: such literals leave no trace in the server's table, so the block is good on
        every connection.
        """
        head, _, body = payload.partition(b"\r\n\r\n")
        first, *lines = head.decode("ascii").split("\r\n")
        method, path, _ = first.split(" ")
        fields = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        headers = {":method": method, ":scheme": "http", ":path": path, ":authority": fields.get("host", "")}
        headers |= {name: value for name, value in fields.items() if name not in NOT_OWN}
        return cls(hpack.Encoder().encode([(*pair, True) for pair in headers.items()]), body)


class Fields(NamedTuple):
    """What the headers of an answer, or the trailers after it, say; ``None`` where they do not."""

    status: str | None
    grpc_status: str | None

    @classmethod
    def of(cls, block: bytes) -> Fields:
        """What a block says that uses no table. MalformedAnswerError."""
        try:
            headers = {str(name): str(value) for name, value in hpack.Decoder(LARGEST_BLOCK).decode(block)}
        except hpack.HPACKError as error:
            raise MalformedAnswerError(str(error)) from error
        return cls(headers.get(":status"), headers.get("grpc-status"))


class Call:
    """One call under way. ``window`` is how much more of its body the server takes now, ``sent`` how much has gone.

    ``heard`` is how often its connection had heard from the server when it was sent.
    """

    __slots__ = ("_begin", "_got", "_status", "body", "heard", "index", "sent", "window")

    def __init__(self, index: int, body: bytes, window: int, heard: int) -> None:
        self.index = index
        self.body = body
        self.window = window
        self.heard = heard
        self.sent = 0
        self._got = 0
        self._begin = b""
        self._status: str | None = None

    @property
    def whole(self) -> bool:
        """Whether all of it is sent."""
        return self.sent == len(self.body)

    def portion(self, allowed: int) -> bytes:
        """The next bytes of the body, as many as are allowed and its window takes."""
        part = self.body[self.sent : self.sent + max(min(allowed, self.window), 0)]
        self.sent += len(part)
        self.window -= len(part)
        return part

    def take(self, part: bytes) -> None:
        """Some of the answer's message, which is counted and not kept."""
        if self._got < PREFIX:
            self._begin += part[: PREFIX - self._got]
        self._got += len(part)

    def told(self, fields: Fields) -> None:
        """Headers came; those that are only on the way (1xx) say nothing."""
        if self._status is None and fields.status is not None and not fields.status.startswith("1"):
            self._status = fields.status

    def answer(self, last: Fields) -> Answer:
        """What headers, message and trailers come to; its length is the message's, without the prefix."""
        if self._status != "200":
            return Answer(_fault("http", self._status), 0)
        if last.grpc_status != "0":
            return Answer(_fault("grpc", last.grpc_status), 0)
        length = self._got - PREFIX
        if length < 0 or self._begin[0] > 1 or int.from_bytes(self._begin[1:], "big") != length:
            return Answer("malformed", 0)
        return Answer(None, length)


def _fault(kind: str, status: str | None) -> str:
    return f"{kind}-{status}" if status and status.isascii() and status.isdigit() else "malformed"
