"""What a million requests cost, before and after."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from tuner.recommendation.model import Side
from tuner.report import format as fmt
from tuner.report.cost import per_million_range
from tuner.report.decision import subject_of
from tuner.report.figure.canvas import BASELINE, CANDIDATE, INK, Plot, draw
from tuner.report.model import ReportInput

__all__ = ["cost_plot"]


@dataclass(frozen=True, slots=True)
class _Bar:
    name: str
    value: float
    low: float
    high: float
    label: str
    colour: str


def cost_plot(report: ReportInput) -> Plot | None:
    """Both sides' cost of a million requests with the range over the blocks; ``None`` where it is not known."""
    comparison = subject_of(report).comparison
    if comparison is None:
        return None
    sides = (("baseline", comparison.baseline, BASELINE), ("candidate", comparison.candidate, CANDIDATE))
    bars = [bar for bar in (_bar(*side) for side in sides) if bar is not None]
    if len(bars) < len(sides):
        return None
    words = "; ".join(f"{bar.name}: {bar.label}" for bar in bars)
    return draw(
        "cost",
        "Cost of a million requests",
        f"{words}. The lines are the range over the blocks of the confirmation.",
        lambda figure: _paint(figure, bars, report.spec.prices.cpu.currency),
        (6.0, 1.9),
    )


def _bar(name: str, side: Side, colour: str) -> _Bar | None:
    cost = side.cost
    if cost.per_million is None:
        return None
    low, high = (float(end.amount) for end in per_million_range(side) or (cost.per_million, cost.per_million))
    month = f", {fmt.amount(cost.monthly)} a month" if cost.monthly else ""
    return _Bar(name, float(cost.per_million.amount), low, high, f"{fmt.amount(cost.per_million)}{month}", colour)


def _paint(figure: Figure, bars: list[_Bar], currency: str) -> None:
    axes = figure.subplots()
    for row, bar in enumerate(bars):
        axes.barh(row, bar.value, height=0.42, color=bar.colour)
        spread = [[max(bar.value - bar.low, 0)], [max(bar.high - bar.value, 0)]]
        axes.errorbar(bar.value, row, xerr=spread, color=INK, capsize=4, linewidth=1.4)
        axes.annotate(bar.label, (0, row), xytext=(1, 12), textcoords="offset points", fontsize=10, va="bottom")
    axes.set_yticks(range(len(bars)), [bar.name for bar in bars])
    axes.set_ylim(len(bars) - 0.6, -0.85)
    axes.set_xlim(0, max(max(bar.high, bar.value) for bar in bars) * 1.08 or 1)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: fmt.plain(round(value, 9))))
    axes.set_xlabel(f"{currency} per million requests")
    axes.grid(axis="y", visible=False)
