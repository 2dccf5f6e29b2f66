"""How commands speak: results on standard output (text or one JSON document), everything else on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tuner.errors import PermanentError, TemporaryError, UserError

__all__ = ["EXIT_CODES", "Output", "exit_code", "lines_of", "table"]

EXIT_CODES = {
    0: "done (also: the baseline is kept, nothing to do)",
    1: "failed: trying again cannot help",
    2: "a mistake in what a person wrote: the spec, the manifest, an argument",
    3: "denied: a better configuration was found and no policy allows it",
    4: "an outside system did not answer: try again later",
    5: "verification failed: an audit record was changed, lost or added",
    130: "interrupted: the same command resumes",
}


class Output:
    """Where one command writes to. With ``as_json``, ``result`` prints the value and ``text`` is never called."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.out = Console(highlight=False, soft_wrap=True)
        self.err = Console(stderr=True, highlight=False, soft_wrap=True)

    def result(self, value: Any, text: Callable[[Console], None]) -> None:
        """Print a JSON-able value, or its text form."""
        if self.as_json:
            sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
        else:
            text(self.out)

    def explain(self, error: Exception) -> None:
        """One line a problem, on standard error."""
        for line in lines_of(error):
            self.err.print(line, markup=False)

    def error(self, error: Exception) -> None:
        """What a command ends with: explained, and with JSON also a document on standard output."""
        self.explain(error)
        if self.as_json:
            wait = {"delay": error.delay} if isinstance(error, TemporaryError) else {}
            document = {"error": lines_of(error), "exit": exit_code(error), **wait}
            sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")


def lines_of(error: Exception) -> list[str]:
    """An error as people read it, a line a problem."""
    return [str(problem) for problem in error.problems] if isinstance(error, UserError) else [str(error)]


def exit_code(error: Exception) -> int:
    """The documented exit code of an error."""
    match error:
        case UserError():
            return 2
        case TemporaryError():
            return 4
        case PermanentError():
            return 1
        case _:
            return 1


def table(title: str, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    """A plain table; cells are text, never markup."""
    made = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
    return made
