"""What an unquoted YAML word means: the core schema of YAML 1.2, and a refusal where YAML 1.1 would read it otherwise.

``kubectl`` and most other readers of these repositories follow YAML 1.1, where ``no`` is false, ``12:30`` is 750 and
``010`` is 8. A word that the two versions read differently is therefore refused rather than guessed.
"""

from __future__ import annotations

import math
import re

from tuner.spec.mistake import Mistake, shown

__all__ = ["resolve"]

_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_OLD_BOOL = re.compile(r"(yes|no|on|off)", re.IGNORECASE)
_OLD_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
_OLD_NUMBER = re.compile(r"[-+]?(0[0-9_]+|0o[0-7]+|0b[01_]+|[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?|0x[0-9a-fA-F_]+_)")
_LARGEST = 2**63


def resolve(word: str) -> bool | int | float | str | None:
    """The value of an unquoted word; Mistake where it is ambiguous, not finite or beyond 64 bits."""
    if word in _NULL:
        return None
    if word in _BOOL:
        return _BOOL[word]
    if len(word) > 400:  # longer than any number that a double can hold
        return word
    if _OLD_BOOL.fullmatch(word):
        meant = str(word.lower() in ("yes", "on")).lower()
        raise Mistake(
            f"{word} is read as {meant} by some and as text by others", f'write {meant}, or "{word}" for text'
        )
    if _OLD_BASE_60.fullmatch(word) or _OLD_NUMBER.fullmatch(word):
        raise Mistake(
            f"{shown(word)} is read as a number by some and as another number or text by others",
            f'write a plain decimal number, or quote it: "{word}"',
        )
    if _NOT_FINITE.fullmatch(word):
        raise Mistake(f"{word} is not a finite number", "write a number")
    return _number(word)


def _number(word: str) -> int | float | str:
    number: int | float
    if _INT.fullmatch(word):
        number = int(word)
    elif _HEX.fullmatch(word):
        number = int(word, 16)
    elif _FLOAT.fullmatch(word):
        number = float(word)
    else:
        return word
    if abs(number) > _LARGEST if isinstance(number, int) else not math.isfinite(number):
        raise Mistake(f"{shown(word)} is too large a number", "use at most 2^53")
    return number
