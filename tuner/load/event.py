"""Server-sent events of an OpenAI-style completion, told apart by a look at their bytes.

No JSON is parsed: within a JSON string every quote is escaped, so a key found with its quotes and its colon is a key.
https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import re

from tuner.load.codec import MalformedAnswerError, TokenTimes

__all__ = ["EventReader"]

LARGEST_EVENT = 1 << 20
_TEXT = re.compile(rb'"(?:content|text|reasoning|reasoning_content|arguments)"\s*:\s*"[^"]')
_FAULT = re.compile(rb'"error"\s*:\s*(?!null)[^\s]|"object"\s*:\s*"error"')
_USAGE = re.compile(rb'"completion_tokens"\s*:\s*([0-9]{1,9})')


class EventReader:
    """Reads one stream; keeps at most one event."""

    __slots__ = ("_data", "_kept", "_name", "_rest", "_stated", "done", "fault", "tokens")

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._kept = 0
        self._name = b""
        self._stated: int | None = None
        self.done = False
        self.fault = False
        self.tokens = TokenTimes([])

    def feed(self, body: bytes, moment: float) -> None:
        """Take what came at the moment. MalformedAnswerError for an event without end."""
        lines = (self._rest + body).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            text = line[:-1] if line.endswith(b"\r") else line
            if text.startswith(b"data:"):
                self._data.append(text[5:])
                self._kept += len(text)
            elif not text:
                self._event(moment)
            elif text.startswith(b"event:"):
                self._name = text[6:].strip()
        if self._kept + len(self._rest) > LARGEST_EVENT:
            raise MalformedAnswerError("an event without end")

    def _event(self, moment: float) -> None:
        data, name = b"\n".join(self._data), self._name
        self._data, self._kept, self._name = [], 0, b""
        if self.done or not data:
            return
        if data.strip() == b"[DONE]":
            self.done = True
            self.tokens.count = len(self.tokens.moments) if self._stated is None else self._stated
        elif name == b"error" or _FAULT.search(data):
            self.fault = True
        elif _TEXT.search(data):
            self.tokens.moments.append(moment)
        elif usage := _USAGE.search(data):
            self._stated = int(usage[1])
