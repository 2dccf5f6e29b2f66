"""One connection's side of a protocol, free of sockets: what to send for a request, and what came for which."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

__all__ = ["Answer", "Answered", "Codec", "MalformedAnswerError", "Script", "TokenTimes"]


class MalformedAnswerError(Exception):
    """What came is no answer in the connection's protocol."""


@dataclass(slots=True)
class TokenTimes:
    """When the tokens of one streamed answer came, on the clock of ``Codec.feed``.

    ``moments`` has one time for each event that carried text. ``count`` is the server's own number of tokens where it
    told one, else the number of those events.
    """

    moments: list[float]
    count: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request got. ``fault`` is the kind of its failure, ``None`` where the protocol says that all is well."""

    fault: str | None
    length: int
    """Bytes of the body, or of the message."""
    tokens: TokenTimes | None = None


Answered: TypeAlias = "tuple[int, Answer]"
"""A request, by its number in the schedule, and its answer."""


class Codec(Protocol):
    """The state of one connection. It keeps no body, neither of a request nor of an answer.

    The sender writes what ``greet`` and ``ask`` return and what is in ``owed``, in the order in which they came to be,
    and hands everything that it reads to ``feed``.
    """

    room: int
    """Requests that may be asked now. 0 once the connection is of no more use."""
    lasting: bool
    """May the connection be kept when its requests are answered?"""
    owed: bytes
    """What the protocol itself wants sent; the sender empties it."""

    def greet(self) -> bytes:
        """What a new connection begins with."""
        ...

    def ask(self, index: int) -> bytes:
        """The bytes of a request; only where there is room."""
        ...

    def asked(self) -> Collection[int]:
        """The requests without an answer."""
        ...

    def feed(self, data: bytes, moment: float) -> Sequence[Answered]:
        """Take what came at the moment (seconds): the requests answered by it.

        MalformedAnswerError where it can be no answer.
        """
        ...

    def end(self) -> Sequence[Answered]:
        """The server closed the connection: the requests whose answer was whole by that."""
        ...

    def cancel(self, index: int) -> bool:
        """Nobody waits for this request any more; False where only closing the connection takes it back."""
        ...


class Script(Protocol):
    """What the connections to one server share: the requests that are sent, and what is known of its answers."""

    def begin(self, payloads: Sequence[bytes], outstanding: int) -> None:
        """From now on request number i is payload i modulo their number; so many are open at a time at most."""
        ...

    def connection(self) -> Codec:
        """The state of a new connection."""
        ...
