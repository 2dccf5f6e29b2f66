"""The chunked transfer coding (RFC 9112, 7.1): a body that comes in pieces whose lengths are told as they come."""

from __future__ import annotations

from tuner.load.codec import MalformedAnswerError

__all__ = ["ChunkReader"]

LONGEST_LINE = 8192
LONGEST_SIZE = 15
_HEX = frozenset(b"0123456789abcdefABCDEF")


class ChunkReader:
    """Takes one chunked body apart; ``ended`` once it is whole. Keeps at most a line."""

    __slots__ = ("_in_trailer", "_left", "_rest", "ended")

    def __init__(self) -> None:
        self._rest = b""
        self._left = 0
        self._in_trailer = False
        self.ended = False

    def feed(self, data: bytes) -> bytes:
        """What of the body is in the data. MalformedAnswerError where it is no chunked body, or more than one."""
        data = self._rest + data
        parts: list[bytes] = []
        position, size = 0, len(data)
        while position < size:
            if self.ended:
                raise MalformedAnswerError("more came than one answer")
            if self._left > 2:
                end = min(position + self._left - 2, size)
                parts.append(data[position:end])
                self._left -= end - position
                position = end
            elif self._left:
                end = min(position + self._left, size)
                if data[position:end] != b"\r\n"[2 - self._left :][: end - position]:
                    raise MalformedAnswerError("a chunk that is longer than it says")
                self._left -= end - position
                position = end
            elif (line := data.find(b"\r\n", position)) >= 0:
                self._line(data[position:line])
                position = line + 2
            else:
                break
        self._rest = data[position:]
        if len(self._rest) > LONGEST_LINE:
            raise MalformedAnswerError("a line without end between chunks")
        return b"".join(parts)

    def _line(self, line: bytes) -> None:
        """A size line, or one of the trailer: ``_left`` counts a chunk with the line's end behind it."""
        if len(line) > LONGEST_LINE:
            raise MalformedAnswerError("a line without end between chunks")
        if self._in_trailer:
            self.ended = not line
            return
        text = line.partition(b";")[0].rstrip(b" \t")
        if not 0 < len(text) <= LONGEST_SIZE or not _HEX.issuperset(text):
            raise MalformedAnswerError("a chunk without a length")
        length = int(text, 16)
        self._in_trailer = not length
        self._left = length + 2 if length else 0
