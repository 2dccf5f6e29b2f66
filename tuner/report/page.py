"""The report as one self-contained HTML page: it opens from disk and loads nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import fields
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tuner.report import format as fmt
from tuner.report import text
from tuner.report.answers import answers_of
from tuner.report.decision import Decision
from tuner.report.figure.canvas import Plot, palette
from tuner.report.glossary import GLOSSARY
from tuner.report.headline import title
from tuner.report.metric import metric_of, percentile_of
from tuner.report.model import ReportInput
from tuner.report.question import Question
from tuner.report.steadiness import steadiness
from tuner.report.trial_row import columns_of, trial_rows
from tuner.space.parameter import Parameter
from tuner.spec.model import Metric

__all__ = ["page"]


def page(report: ReportInput, plots: Sequence[Plot]) -> str:
    """The HTML document; all foreign text in it is inert, and its policy forbids every connection."""
    return _environment().get_template("page.html.j2").render(_context(report, plots))


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("tuner.report", "templates"),
        autoescape=True,
        finalize=text.html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


@cache
def _asset(name: str) -> str:
    environment = _environment()
    assert environment.loader is not None  # noqa: S101 - set above
    return environment.loader.get_source(environment, name)[0]


def _context(report: ReportInput, plots: Sequence[Plot]) -> dict[str, Any]:
    answers, script = answers_of(report), _asset("page.js")
    metric, rows = metric_of(report.spec), trial_rows(report)
    name, _ = percentile_of(report.spec.slo)
    effort = report.effort
    return {
        **{field.name: getattr(answers, field.name) for field in fields(answers)},
        "report": report,
        "Q": Question,
        "Decision": Decision,
        "title": title(report),
        "style": Markup(palette() + _asset("page.css")),  # noqa: S704 - ours
        "script": Markup(script),  # noqa: S704 - ours
        "script_hash": Markup(f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"),  # noqa: S704
        "plots": {plot.name: plot for plot in plots},
        "diff": list(_diff_lines(report.diff.rstrip("\n"))),
        "undo": _block(answers.undo),
        "verify": _block(answers.verify),
        "newline": Markup("\n"),
        "rows": rows,
        "has_metric": metric != "capacity",
        "metric_short": _metric_short(report, metric, name),
        "extra": columns_of(rows),
        "steadiness": steadiness(report.stability) if report.stability is not None else "",
        "domain": _domain,
        "elapsed": fmt.duration(effort.elapsed),
        "core_hours": fmt.hours(effort.core_hours),
        "spent": fmt.amount(effort.money) if effort.money is not None else "",
        "phases": [(phase.name, fmt.duration(phase.seconds)) for phase in report.phases],
        "glossary": GLOSSARY,
    }


def _metric_short(report: ReportInput, metric: Metric, percentile: str) -> str:
    if metric != "cost":
        return f"{percentile} latency"
    unit = "per million" if report.spec.objective.bands is None else "an hour, today's band"
    return f"{report.spec.prices.cpu.currency} {unit}"


def _block(commands: str) -> Markup:
    return Markup.escape(text.clean(commands, lines=True))


def _diff_lines(diff: str) -> Iterator[tuple[str, Markup]]:
    """Each line with ``+``, ``-`` or nothing; blanks are kept, so the line is escaped here."""
    for line in diff.split("\n") if diff else ():
        header = line.startswith(("+++", "---"))
        kind = line[:1] if line[:1] in {"+", "-"} and not header else ""
        yield kind, Markup.escape(text.clean(line, lines=True))


def _domain(parameter: Parameter) -> str:
    domain = parameter.domain
    if domain.values is not None:
        return ", ".join(str(each) for each in domain.values)
    step = f", step {fmt.plain(domain.step)}" if domain.step else ""
    ends = f"{fmt.plain(domain.low or 0)} to {fmt.plain(domain.high or 0)}"
    return f"{ends}{step}{', logarithmic' if domain.log else ''}"
