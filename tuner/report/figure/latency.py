"""Latency against load: how each side bends, and where it meets the SLO."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from tuner.measurement.model import Judgement, LoadPoint, Measurement
from tuner.report import format as fmt
from tuner.report.decision import subject_of
from tuner.report.figure.canvas import BASELINE, CANDIDATE, INK, MUTED, PAPER, Plot, draw
from tuner.report.metric import percentile_of
from tuner.report.model import ReportInput
from tuner.report.quantile import quantile_interval
from tuner.trial.outcome import Completed, Failed, Trial

__all__ = ["latency_plot"]

_DECADE = 15.0
"""From this ratio of the largest to the smallest latency on, the axis is logarithmic."""


@dataclass(frozen=True, slots=True)
class _Line:
    trial: Trial
    measurement: Measurement
    label: str
    colour: str
    marker: str


def latency_plot(report: ReportInput) -> Plot | None:
    """The SLO's highest percentile against the offered load; ``None`` where neither side has a curve."""
    subject = subject_of(report)
    name, bound = percentile_of(report.spec.slo)
    sides = (
        (subject.baseline_trial, "baseline", BASELINE, "s"),
        (subject.candidate_trial, "candidate", CANDIDATE, "o"),
    )
    found = (_line(*side) for side in sides)
    lines = [line for line in found if line is not None]
    if len(lines) == 2 and lines[0].trial.number == lines[1].trial.number:
        lines.pop()
    if not any(_points(line.measurement, name) for line in lines):
        return None
    return draw(
        "latency",
        f"{name} latency against load",
        _words(lines, name, bound),
        lambda figure: _paint(figure, lines, report, name, bound),
    )


def _line(trial: Trial | None, side: str, colour: str, marker: str) -> _Line | None:
    outcome = trial.outcome if trial is not None else None
    if trial is None or not isinstance(outcome, Completed | Failed) or outcome.measurement is None:
        return None
    return _Line(trial, outcome.measurement, f"{side} (trial {trial.number})", colour, marker)


def _points(measurement: Measurement, name: str) -> list[LoadPoint]:
    """Loads that say something, by rate: where the generator was the bottleneck there is nothing to show."""
    kept = [point for point in measurement.curve if point.judgement is not Judgement.INVALID and name in point.latency]
    return sorted(kept, key=lambda point: point.rate)


def _words(lines: list[_Line], name: str, bound: float) -> str:
    parts = []
    for line in lines:
        capacity = line.measurement.capacity
        limit = f"within the SLO up to {fmt.rate(capacity.rate)}" if capacity else "no load within the SLO"
        parts.append(f"{line.label}: {limit}")
    return f"The SLO is {name} ≤ {fmt.bound(bound)}. {'; '.join(parts)}."


def _paint(figure: Figure, lines: list[_Line], report: ReportInput, name: str, bound: float) -> None:
    axes = figure.subplots()
    percentile, confidence = report.spec.slo.bounds[-1][0], report.spec.slo.confidence
    for line in lines:
        _paint_line(axes, line, name, percentile, confidence)
    axes.axhline(bound * 1000, color=INK, linestyle=(0, (5, 3)), linewidth=1.4, zorder=1.5)
    for line in lines:
        _paint_capacity(axes, line, bound)
    _scale(axes, bound, lines, name)
    axes.annotate(
        f"SLO {fmt.bound(bound)}", (0.01, bound * 1000), xycoords=("axes fraction", "data"), xytext=(0, 3),
        textcoords="offset points", color=INK, fontsize=10, va="bottom",
    )  # fmt: skip
    axes.set_xlabel("offered load (requests/s)")
    axes.set_ylabel(f"{name} latency (ms)")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.plot(
        [],
        [],
        color=MUTED,
        marker="o",
        linestyle="none",
        markerfacecolor=PAPER,
        markeredgewidth=1.5,
        label="SLO missed",
    )
    figure.legend(loc="outside upper center", ncols=3, handlelength=2.0, columnspacing=1.4)


def _paint_line(axes: Axes, line: _Line, name: str, percentile: float, confidence: float) -> None:
    points = _points(line.measurement, name)
    rates, latencies = [point.rate for point in points], [point.latency[name] * 1000 for point in points]
    axes.plot(rates, latencies, color=line.colour, zorder=2)
    for point, height in zip(points, latencies, strict=True):
        missed = point.judgement is Judgement.FAIL or point.pressure > 1
        axes.plot(
            point.rate, height, marker=line.marker, markersize=6.5, color=line.colour, zorder=3,
            markerfacecolor=PAPER if missed else line.colour, markeredgewidth=1.5,
        )  # fmt: skip
        interval = quantile_interval(point.result, percentile, confidence)
        if interval is not None:
            low, high = (end * 1000 for end in interval)
            spread = np.array([[max(height - low, 0.0)], [max(high - height, 0.0)]])
            axes.errorbar(point.rate, height, yerr=spread, color=line.colour, capsize=2.5, linewidth=1)
    axes.plot([], [], color=line.colour, marker=line.marker, markersize=6.5, label=line.label)


def _paint_capacity(axes: Axes, line: _Line, bound: float) -> None:
    """The largest load within the SLO, as a bar on the SLO's line."""
    if line.measurement.capacity is None:
        return
    rate = line.measurement.capacity.rate
    axes.plot([rate.low, rate.high], [bound * 1000] * 2, color=line.colour, linewidth=6, alpha=0.55, zorder=2.5)
    axes.plot(rate.value, bound * 1000, marker="|", markersize=14, markeredgewidth=2.2, color=line.colour, zorder=4)


def _scale(axes: Axes, bound: float, lines: list[_Line], name: str) -> None:
    values = [point.latency[name] for line in lines for point in _points(line.measurement, name)] + [bound]
    low, high = min(value for value in values if value > 0) * 1000, max(values) * 1000
    axes.set_xlim(left=0)
    axes.tick_params(which="minor", length=0)
    if high / low < _DECADE:
        axes.set_ylim(0, high * 1.15)
        return
    axes.set_yscale("log")
    axes.set_ylim(low / 1.6, high * 1.6)
    axes.yaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(which="minor", visible=False)
    axes.spines["left"].set_color(MUTED)
