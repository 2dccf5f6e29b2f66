"""How the search went: every trial in order, the best so far, and what failed by its kind."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from tuner.measurement.model import Interval
from tuner.report import format as fmt
from tuner.report.decision import subject_of
from tuner.report.figure.canvas import BASELINE, CANDIDATE, INK, MUTED, Plot, draw
from tuner.report.metric import better, metric_of, metric_words, reading, reading_text
from tuner.report.model import ReportInput
from tuner.report.tally import tally_of

__all__ = ["progress_plot"]

_MARKERS = ("X", "v", "P", "D", "<", "*", "^", ">")
Readings = list[tuple[int, Interval]]


def progress_plot(report: ReportInput) -> Plot | None:
    """The metric of each completed trial with the best so far; ``None`` where no trial was completed."""
    trials = sorted(report.trials, key=lambda trial: trial.number)
    readings: Readings = [(trial.number, value) for trial in trials if (value := reading(report, trial)) is not None]
    if not readings:
        return None
    best = _best(report, readings)
    last = best[-1]
    failed = sum(row.count for row in tally_of(report) if not row.completed)
    description = (
        f"{len(readings)} trials with a value, {failed} without. The best is trial {last[0]}: "
        f"{reading_text(report, last[1])}."
    )
    return draw(
        "progress",
        "Progress of the search",
        description,
        lambda figure: _paint(figure, report, readings, best),
        (6.0, 3.6 + 0.22 * len(_failures(report))),
    )


def _best(report: ReportInput, readings: Readings) -> Readings:
    """The trials that were better than all before them."""
    metric, found = metric_of(report.spec), readings[:1]
    for number, value in readings[1:]:
        if better(metric, value.value, found[-1][1].value):
            found.append((number, value))
    return found


def _failures(report: ReportInput) -> list[tuple[str, tuple[int, ...]]]:
    return [(row.name, row.trials) for row in tally_of(report) if not row.completed]


def _paint(figure: Figure, report: ReportInput, readings: Readings, best: Readings) -> None:
    failures = _failures(report)
    last = max(trial.number for trial in report.trials)
    if not failures:
        upper = figure.subplots()
        lower = upper
    else:
        heights = [3.6, 0.25 + 0.24 * len(failures)]
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=heights)
        _paint_failures(lower, failures)
    _paint_values(upper, report, readings, best, last)
    lower.set_xlabel("trial")
    lower.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    figure.legend(loc="outside upper center", ncols=3, handlelength=1.6, columnspacing=1.2)


def _paint_values(axes: Axes, report: ReportInput, readings: Readings, best: Readings, last: int) -> None:
    scale = 1000.0 if metric_of(report.spec) == "latency" else 1.0
    subject = subject_of(report)
    baseline = subject.baseline_trial.number if subject.baseline_trial else None
    candidate = subject.candidate_trial.number if subject.candidate_trial else None
    steps = [*best, (max(last, best[-1][0]), best[-1][1])]
    axes.step(
        [number for number, _ in steps], [value.value * scale for _, value in steps],
        where="post", color=INK, linewidth=1.4, label="best so far",
    )  # fmt: skip
    small = 4 if len(readings) <= 100 else 2.5
    others = [(number, value) for number, value in readings if number not in {baseline, candidate}]
    axes.plot(
        [number for number, _ in others], [value.value * scale for _, value in others],
        linestyle="none", marker="o", markersize=small, color=MUTED, zorder=3,
    )  # fmt: skip
    marked = ((baseline, BASELINE, "s", "baseline"), (candidate, CANDIDATE, "o", "candidate"))
    for number, colour, marker, label in marked:
        value = dict(readings).get(number) if number is not None else None
        if value is not None and number is not None:
            spread = [[(value.value - value.low) * scale], [(value.high - value.value) * scale]]
            axes.errorbar(
                number, value.value * scale, yerr=spread, color=colour, marker=marker, markersize=7.5, capsize=3,
                linestyle="none", label=label, zorder=4,
            )  # fmt: skip
    axes.set_ylabel(metric_words(report).replace(" (", "\n("))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.margins(x=0.03, y=0.12)


def _tick(value: float) -> str:
    return fmt.plain(round(value, 9))


def _paint_failures(axes: Axes, failures: list[tuple[str, tuple[int, ...]]]) -> None:
    names = [f"{name} ({len(numbers)})" for name, numbers in failures]
    for row, (_, numbers) in enumerate(failures):
        axes.plot(
            numbers, [row] * len(numbers), linestyle="none", marker=_MARKERS[row % len(_MARKERS)], markersize=5.5,
            color=INK,
        )  # fmt: skip
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.spines["left"].set_visible(False)
