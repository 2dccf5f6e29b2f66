"""What a door owes to whoever knocks: soon an answer, or a refusal in one line that names its place."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

from tuner.errors import TunerError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PATIENCE", "Door", "complaint"]

PATIENCE = 10.0
"""Seconds of processor time after which one input counts as a hang: a busy machine makes none."""
_LONGEST = 1_000
"""Characters of a message."""


@dataclass(frozen=True, slots=True)
class Door:
    """One place where input of strangers comes in. ``file``: what its messages have to start with, and a position.

    ``knock`` raises what the product raises; a door that answers by a value judges it itself, with AssertionError.
    """

    name: str
    knock: Callable[[bytes], None]
    file: str = ""


class _HangError(BaseException):
    """Above every handler of the product."""


def complaint(door: Door, raw: bytes) -> str | None:
    """What the door did wrong with this input, ``None`` where it behaved."""
    try:
        with _bounded():
            door.knock(raw)
    except UserError as error:
        return next((fault for problem in error.problems if (fault := _fault(str(problem), door.file))), None)
    except TunerError as error:
        return _fault(str(error), "")
    except _HangError:
        return f"no answer within {PATIENCE:g} s"
    except Exception as error:  # noqa: BLE001 - whatever else a door raises is what is looked for
        return f"{type(error).__name__}: {str(error)[:300]!r}"
    return None


def _fault(line: str, file: str) -> str | None:
    if not line.isprintable():
        return f"the message holds a line break or a control character: {line[:300]!r}"
    if len(line) > _LONGEST:
        return f"the message has {len(line)} characters: {line[:300]!r}"
    if file and not re.match(rf"{re.escape(file)}:\d+:\d+: ", line):
        return f"the message does not say where: {line[:300]!r}"
    return None


@contextmanager
def _bounded() -> Iterator[None]:
    def ring(_number: int, _frame: FrameType | None) -> None:
        raise _HangError

    earlier = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, earlier)
