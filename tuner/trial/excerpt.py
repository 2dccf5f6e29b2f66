"""The last lines of a server's log that tell why it failed."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tuner.telemetry.redaction import redact

__all__ = ["log_excerpt", "mentions_port_in_use"]

_TAIL = 64 * 1024
_LINES, _WIDTH = 8, 240
_ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_TELLING = re.compile(
    r"^E\d{4}\b|\b(errors?|failed|failure|fatal|exception|cannot|unable|invalid|unsupported|abort(ed)?|panic)\b"
    r"|Error\b|Exception\b",
    re.IGNORECASE,
)
_IN_USE = re.compile(r"address (is )?already in use|already in use|EADDRINUSE", re.IGNORECASE)


def log_excerpt(log: Path) -> str:
    """At most 8 lines of at most 240 characters, secrets taken out: the end, and before it lines that name an error.

    Empty where the server wrote nothing.
    """
    lines = _lines(log)
    end = range(len(lines) - _LINES // 2, len(lines))
    telling = [index for index in range(end.start) if _TELLING.search(lines[index])]
    others = [index for index in range(end.start) if index not in telling]
    chosen = sorted([*others, *telling, *end][-_LINES:])
    kept = [lines[index] for index in chosen if index >= 0]
    return "\n".join(line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…" for line in kept)


def mentions_port_in_use(log: Path) -> bool:
    """Whether the log says that a port was taken."""
    return any(_IN_USE.search(line) for line in _lines(log))


def _lines(log: Path) -> list[str]:
    """The lines near the end that have a letter in them, without terminal control, repeats folded."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            raw = file.read(_TAIL)
    except OSError:
        return []
    if size > _TAIL:
        raw = raw.partition(b"\n")[2]  # half a line may hide a secret from redaction
    text = redact(raw.decode(errors="replace"))
    lines: list[str] = []
    for line in (_visible(part) for part in text.splitlines()):
        if any(letter.isalnum() for letter in line) and (not lines or line != lines[-1]):
            lines.append(line)
    return lines


def _visible(line: str) -> str:
    """Nothing that moves a cursor or turns the direction of writing: a log is written by others."""
    plain = _ESCAPE.sub("", line).replace("\t", " ")
    return "".join(letter for letter in plain if letter.isprintable()).rstrip()
