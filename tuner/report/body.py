"""The pull request's body in Markdown: ten answers on a screen and a half, the detail folded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from tuner.report import text
from tuner.report.answers import Answers, answers_of
from tuner.report.decision import Decision
from tuner.report.figure.canvas import Plot
from tuner.report.figure.importance import ranked, share_text
from tuner.report.model import ReportInput
from tuner.report.provenance import short
from tuner.report.question import Question

__all__ = ["BODY_LIMIT", "body"]

BODY_LIMIT = 60_000
"""Characters: the forges that we know refuse a body above 65,536."""


@dataclass(frozen=True, slots=True)
class _Room:
    """How much of what has no bound is shown: entries of a list, characters of a message, lines of the diff."""

    entries: int
    characters: int
    lines: int


_ROOMS = (_Room(20, 300, 100), _Room(8, 120, 40), _Room(3, 40, 0))
_WIDEST_LINE = 300
_TRIALS_NAMED = 12


def body(report: ReportInput, plots: Sequence[Plot]) -> str:
    """The Markdown; all foreign text in it is inert. Shorter forms follow where the first is above the limit."""
    answers = answers_of(report)
    rendered = ""
    for room in _ROOMS:
        rendered = _environment().get_template("body.md.j2").render(_context(report, answers, plots, room))
        if len(rendered) <= BODY_LIMIT:
            break
    return rendered


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("tuner.report", "templates"),
        autoescape=True,  # what ``finalize`` returns is Markup already, so this only covers what escapes it
        finalize=text.markdown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(code=text.code, fence=text.fence, short=short, cut=text.shorten)
    return environment


def _context(report: ReportInput, answers: Answers, plots: Sequence[Plot], room: _Room) -> dict[str, Any]:
    importance = report.importance
    return {
        **{field.name: getattr(answers, field.name) for field in fields(answers)},
        "main_gains": [row for row in answers.gains if row.main],
        "main_costs": [row for row in answers.costs if row.main],
        "report": report,
        "room": room,
        "Q": Question,
        "Decision": Decision,
        "importance": [(name, share_text(share)) for name, share in ranked(importance)] if importance else [],
        "diff": _lines(report.diff, room.lines),
        "plots": {plot.name: plot for plot in plots} if report.figures else {},
        "numbers": _numbers,
    }


def _numbers(trials: Sequence[int]) -> str:
    more = " …" if len(trials) > _TRIALS_NAMED else ""
    return ", ".join(str(number) for number in trials[:_TRIALS_NAMED]) + more


def _lines(diff: str, limit: int) -> str:
    lines = [line if len(line) <= _WIDEST_LINE else f"{line[:_WIDEST_LINE]}…" for line in diff.split("\n")]
    if len(lines) <= limit:
        return "\n".join(lines)
    return "\n".join([*lines[:limit], f"… {len(lines) - limit:,} more lines"]) if limit else ""
