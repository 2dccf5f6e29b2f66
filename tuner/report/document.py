"""The report as a whole: title, body, page and figures from one campaign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tuner.report.body import body
from tuner.report.figure.cost import cost_plot
from tuner.report.figure.importance import importance_plot
from tuner.report.figure.latency import latency_plot
from tuner.report.figure.progress import progress_plot
from tuner.report.headline import title
from tuner.report.model import ReportInput
from tuner.report.page import page

__all__ = ["Report", "render"]


@dataclass(frozen=True, slots=True)
class Report:
    """What a reader gets. ``title`` has at most 72 characters, ``body`` is Markdown, ``page`` HTML.

    ``figures`` are SVG files by name; the body refers to them below ``ReportInput.figures``.
    """

    title: str
    body: str
    page: str
    figures: Mapping[str, bytes]


def render(report: ReportInput) -> Report:
    """Make the report. Equal input gives byte-identical output."""
    drawn = (latency_plot(report), cost_plot(report), progress_plot(report), importance_plot(report.importance))
    plots = [plot for plot in drawn if plot is not None]
    return Report(
        title=title(report),
        body=body(report, plots),
        page=page(report, plots),
        figures={f"{plot.name}.svg": plot.file for plot in plots},
    )
