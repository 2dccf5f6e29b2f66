"""What went wrong, told by what the caller should do next.

    TunerError
    ├── UserError        a person wrote something that is wrong: show the problems, stop, exit 2
    ├── TemporaryError   an outside system did not answer: wait ``delay`` seconds, then try again
    └── PermanentError   trying again cannot help: stop, exit 1

Exceptions of outside libraries are wrapped into one of these at the adapter, with the cause kept. What a trial does
wrong is no exception but an outcome (``tuner.trial.outcome``): it never ends a campaign.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["PermanentError", "Problem", "TemporaryError", "TunerError", "UserError"]

_LONGEST = 400
"""Characters of each part of a message."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake of a person, where it stands and what to do about it.

    ``line`` and ``column`` count from 1; ``None`` where the mistake is not in a file's text.
    """

    what: str
    fix: str = ""
    file: str | None = None
    line: int | None = None
    column: int | None = None

    def __post_init__(self) -> None:
        """One line, whatever a stranger's text brings into it: no control, no sign that turns the reading, no end."""
        object.__setattr__(self, "what", _one_line(self.what))
        object.__setattr__(self, "fix", _one_line(self.fix))

    def __str__(self) -> str:
        file = None if self.file is None else _one_line(self.file)
        place = ":".join(str(part) for part in (file, self.line, self.column) if part is not None)
        return f"{f'{place}: ' if place else ''}{self.what}{f' ({self.fix})' if self.fix else ''}"


def _one_line(text: str) -> str:
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST - 1]}…"
    return text if text.isprintable() else "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


class TunerError(Exception):
    """Base of every exception that tuner raises on purpose."""


class UserError(TunerError):
    """Something that a person wrote is wrong; ``problems`` has at least one entry, one line each."""

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        if not self.problems:
            raise ValueError("a UserError needs at least one problem")
        super().__init__("\n".join(str(problem) for problem in self.problems))

    @classmethod
    def of(cls, what: str, fix: str = "", *, file: str | None = None) -> UserError:
        """The error for one problem that has no line."""
        return cls(Problem(what, fix, file=file))


class TemporaryError(TunerError):
    """An outside system is unavailable now; ``delay`` is the number of seconds to wait before the next try."""

    def __init__(self, message: str, *, delay: float = 1.0) -> None:
        super().__init__(message)
        self.delay = delay


class PermanentError(TunerError):
    """Trying again cannot help: the message says what a person has to do."""
