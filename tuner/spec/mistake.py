"""A mistake found while a section is validated: what is wrong, what to do, and at which key below the section."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["Mistake", "nearest", "shown"]

_SHOWN = 60


class Mistake(ValueError):  # noqa: N818 - a person's mistake, not an error of the program
    """Raised inside a validator; ``at`` is the path below the validated value, empty for the value itself."""

    def __init__(self, what: str, fix: str = "", *, at: tuple[str | int, ...] = ()) -> None:
        super().__init__(f"{what} ({fix})" if fix else what)
        self.what = what
        self.fix = fix
        self.at = at


def shown(value: object) -> str:
    """The value as it is quoted in a message: on one line, no control characters, at most about 60 characters."""
    text = repr(value if not isinstance(value, str) else value[: 2 * _SHOWN])
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that ``word`` was probably meant to be; ``None`` where none is near. Case does not count."""
    if len(word) > _SHOWN:
        return None
    by_lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None
