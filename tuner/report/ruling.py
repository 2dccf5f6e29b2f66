"""What the policies said, package by package, and what would have to be otherwise for an allow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tuner.policy.model import Denial, PolicyInput, Verdict
from tuner.report.decision import denied
from tuner.report.model import Candidate, ReportInput
from tuner.report.source import record

__all__ = ["Ruling", "Statement", "rulings_of"]


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing that a package said. ``said`` is ``denies``, ``warns`` or ``allows``; ``value`` what it looked at."""

    package: str
    said: str
    id: str
    message: str
    value: str


@dataclass(frozen=True, slots=True)
class Ruling:
    """The verdict on one candidate."""

    trial: int
    allowed: bool
    engine: str
    revision: str
    source: str
    statements: tuple[Statement, ...]

    @property
    def denials(self) -> tuple[Statement, ...]:
        """What stands against it."""
        return tuple(statement for statement in self.statements if statement.said == "denies")

    @property
    def warnings(self) -> tuple[Statement, ...]:
        """What asks for care."""
        return tuple(statement for statement in self.statements if statement.said == "warns")


def rulings_of(report: ReportInput) -> tuple[Ruling, ...]:
    """Every verdict, in the order in which the candidates came up."""
    return tuple(
        _ruling(candidate, candidate.verdict) for candidate in report.candidates if candidate.verdict is not None
    )


def _ruling(candidate: Candidate, verdict: Verdict) -> Ruling:
    reasons = [*(("denies", each) for each in verdict.denials), *(("warns", each) for each in verdict.warnings)]
    statements = [_statement(said, reason, verdict, candidate.document) for said, reason in reasons]
    if denied(candidate) and not verdict.denials:
        statements.insert(
            0, Statement("–", "denies", "", "no policy allowed it, and without an allow it is denied", "")
        )
    spoke = {statement.package for statement in statements}
    silent = [name for name in verdict.packages if name not in spoke]
    statements += [Statement(name, "allows", "", "nothing against it", "") for name in silent]
    return Ruling(
        trial=candidate.trial,
        allowed=not denied(candidate),
        engine=verdict.engine,
        revision=verdict.revision,
        source=record(candidate.verdict_record),
        statements=tuple(statements),
    )


def _statement(said: str, reason: Denial, verdict: Verdict, document: PolicyInput | None) -> Statement:
    concern = reason.id.split(".")[0]
    package = next((name for name in verdict.packages if concern in name.split(".")), "–")
    value = "" if document is None or not reason.path else _at(document.model_dump(mode="json"), reason.path)
    return Statement(package, said, reason.id, reason.msg, f"{reason.path} = {value}" if value else reason.path)


def _at(document: Any, path: str) -> str:
    """The value at a dotted path where it is a plain one; empty where there is none."""
    for step in path.removeprefix("input.").split("."):
        if isinstance(document, dict) and step in document:
            document = document[step]
        elif isinstance(document, list) and step.isdecimal() and int(step) < len(document):
            document = document[int(step)]
        else:
            return ""
    if isinstance(document, list) and all(isinstance(item, str | int | float) for item in document):
        return ", ".join(str(item) for item in document)
    return "" if isinstance(document, dict | list) or document is None else str(document)
