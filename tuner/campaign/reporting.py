"""The step that writes the report, and the report again at any later time.

Drawing is imported when it is needed: a resumed or killed campaign should not wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuner.campaign.report_input import PAGE, report_input
from tuner.campaign.session import Session
from tuner.report.model import ReportInput
from tuner.trial.folder import write_whole

if TYPE_CHECKING:
    from tuner.report.document import Report

__all__ = ["INPUT", "read_report", "report_files", "write_report"]

INPUT = "report.json"
BODY = "report.md"


def write_report(session: Session) -> None:
    """Write the report, and what it was made from, into the campaign's folder; TemporaryError where that fails."""
    from tuner.report.document import render

    text = report_input(session).to_json()
    session.report = render(ReportInput.from_json(text))  # from the text, as a process that comes later makes it
    folder = session.folder / "report"
    folder.mkdir(parents=True, exist_ok=True)
    for name, raw in report_files(session.report).items():
        write_whole(folder / name, raw)
    write_whole(folder / INPUT, text)


def read_report(session: Session) -> Report:
    """The report that the step wrote; made anew where the folder was lost."""
    if session.report is not None:
        return session.report
    from tuner.report.document import render

    file = session.folder / "report" / INPUT
    if not file.exists():
        write_report(session)
    session.report = render(ReportInput.from_json(file.read_text(encoding="utf-8")))
    return session.report


def report_files(report: Report) -> dict[str, bytes]:
    """The report's files by name: the page, the body, the figures."""
    return {PAGE: report.page.encode(), BODY: report.body.encode(), **report.figures}
