"""The pull request's body in Markdown: ten answers on a screen and a half, the detail folded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tuner.report import text
from tuner.report.command import undo_commands, verify_commands
from tuner.report.cost import monthly_words
from tuner.report.decision import Decision, changes_of, decide, subject_of
from tuner.report.figure.canvas import Plot
from tuner.report.figure.importance import ranked, share_text
from tuner.report.gain import cost_gains, gains_of
from tuner.report.headline import headline
from tuner.report.load import load_words
from tuner.report.model import ReportInput
from tuner.report.provenance import machine_words, provenance_of, short
from tuner.report.question import Question
from tuner.report.ruling import rulings_of
from tuner.report.runner_up import runners_up
from tuner.report.tally import reasons_of, tally_words

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


def body(report: ReportInput, plots: Sequence[Plot]) -> str:
    """The Markdown; all foreign text in it is inert. Shorter forms follow where the first is above the limit."""
    for room in _ROOMS:
        rendered = _render(report, plots, room)
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


def _render(report: ReportInput, plots: Sequence[Plot], room: _Room) -> str:
    return _environment().get_template("body.md.j2").render(_context(report, plots, room))


def _context(report: ReportInput, plots: Sequence[Plot], room: _Room) -> dict[str, Any]:
    subject = subject_of(report)
    importance = report.importance
    return {
        "report": report,
        "room": room,
        "Q": Question,
        "decision": decide(report),
        "Decision": Decision,
        "headline": headline(report),
        "comparison": subject.comparison,
        "changes": changes_of(report),
        "gains": gains_of(report),
        "costs": cost_gains(report),
        "monthly": _flow(monthly_words(subject.comparison)) if subject.comparison is not None else None,
        "load": load_words(report),
        "rulings": rulings_of(report),
        "tally": tally_words(report),
        "failures": reasons_of(report),
        "importance": [(name, share_text(share)) for name, share in ranked(importance)] if importance else [],
        "others": runners_up(report),
        "provenance": provenance_of(report),
        "machine": machine_words(report.machine),
        "undo": undo_commands(report),
        "verify": verify_commands(report),
        "diff": _lines(report.diff, room.lines),
        "plots": {plot.name: plot for plot in plots} if report.figures else {},
        "numbers": lambda trials: ", ".join(str(number) for number in trials[:12]) + (" …" if len(trials) > 12 else ""),
    }


def _flow(sentence: str) -> Markup:
    """A sentence of ours whose backticks mean code."""
    plain, *rest = sentence.split("`")
    parts = [text.markdown(plain) if plain.strip() == plain else Markup.escape(plain)]
    for index, part in enumerate(rest):
        parts.append(text.code(part) if index % 2 == 0 else Markup.escape(part))
    return Markup("").join(parts)


def _lines(diff: str, limit: int) -> str:
    lines = diff.splitlines()
    if len(lines) <= limit:
        return diff
    return "\n".join([*lines[:limit], f"… {len(lines) - limit:,} more lines"]) if limit else ""
