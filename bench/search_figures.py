"""What the runs of the search benchmark come to: figures with their goals, and a line a model and method."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bench.search_jobs import OURS
from bench.search_runs import AFTER, SHARES, SPREAD, Row
from tuner.measurement.benchmark import Against, Figure

__all__ = ["figures_of", "quantile", "summaries"]

SAID_WITHIN = 10
"""Trials within which a run has to say that nothing holds the limits."""
NEAR = 0.95
VISION, MEMORY = "rapp_v100", "estimates"
"""The shipped descriptors with goals: how few trials, and how little of them on what does not fit into memory."""
_GOALS: dict[tuple[str, float, str, str], str] = {
    ("tuner+prior", 0.0, "1", "median"): "<= 6",
    ("tuner+prior", 0.0, "1", "p90"): "<= 15",
    ("tuner+prior", 0.0, "1", "worst"): "<= 30",
    ("tuner", 0.0, "1", "median"): "<= 14",
    ("tuner+prior", 0.05, "1", "median"): "<= 8",
}


def quantile(values: Sequence[float], share: float) -> float:
    """The value that at least this share of them does not exceed; one of them."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered) - 1e-9), 1) - 1]


_OF = {"median": 0.5, "p90": 0.9, "worst": 1.0}


def figures_of(rows: Sequence[Row], most: int, *, goals: str = "") -> list[Figure]:
    """All figures, noise by noise and method by method. Not reached counts as one trial more than there may be.

    ``goals`` names the shipped descriptor whose goals are to be met, if any.
    """
    figures: list[Figure] = []
    for noise in sorted({row.noise for row in rows}):
        for method in dict.fromkeys(row.method for row in rows):
            chosen = [row for row in rows if row.noise == noise and row.method == method]
            if chosen:
                label = f"{method}, noise {noise:g}"
                figures += _trials(chosen, rows, label, most, goals=goals == VISION)
                figures += _waste(chosen, label, goals if method == "tuner+prior" else "")
                if method in OURS:
                    figures += _judgement(chosen, label, noise, goals=goals == VISION and method == "tuner+prior")
    return figures


def _to(rows: Sequence[Row], share: str, most: int) -> list[float]:
    return [float(row.trials_to[share] or most + 1) for row in rows if row.solvable]


def _trials(chosen: Sequence[Row], rows: Sequence[Row], label: str, most: int, *, goals: bool) -> Iterator[Figure]:
    method, noise = chosen[0].method, chosen[0].noise
    ours = [row for row in rows if row.method == OURS[0] and row.noise == noise]
    for share in SHARES:
        reached = _to(chosen, share, most)
        if not reached:
            continue
        for name, part in _OF.items():
            against = None
            if method != OURS[0] and (known := _to(ours, share, most)):
                against = Against(name=OURS[0], value=quantile(known, part))
            yield Figure.of(
                f"{label}: trials to within {share} %, {name}",
                quantile(reached, part),
                f"trials ({most + 1}: not within {most})",
                against=against,
                goal=_GOALS.get((method, noise, share, name)) if goals else None,
            )


def _waste(chosen: Sequence[Row], label: str, goals: str) -> Iterator[Figure]:
    memory = goals == MEMORY and chosen[0].noise == 0
    failing = goals == MEMORY or any(row.failed for row in chosen)
    solvable = [row for row in chosen if row.solvable]
    if solvable:
        shares = [
            _mean([row.infeasible / row.trials for row in solvable if row.model == model])
            for model in _models(solvable)
        ]
        yield Figure.of(
            f"{label}: infeasible trials, mean over models",
            100 * _mean(shares),
            "%",
            goal="<= 20" if goals == VISION else None,
        )
        for count in ("5", "10", "20"):
            regrets = [100 * regret for row in solvable if (regret := row.regret[count]) is not None]
            yield Figure.of(f"{label}: regret after {count} trials, median", statistics.median(regrets), "%")
            goal = "<= 2" if memory and count == "10" else None
            yield Figure.of(f"{label}: regret after {count} trials, worst", max(regrets), "%", goal=goal)
    if failing:
        worst = max(row.failed for row in chosen)
        goal = "<= 1" if memory else None
        yield Figure.of(f"{label}: of the first 10 trials did not run, worst", worst, "trials", goal=goal)
    yield Figure.of(f"{label}: a proposal takes, median", statistics.median(row.ask_ms for row in chosen), "ms")
    yield Figure.of(f"{label}: a proposal takes, worst", max(row.ask_ms_worst for row in chosen), "ms")


def _judgement(chosen: Sequence[Row], label: str, noise: float, *, goals: bool) -> Iterator[Figure]:
    def goal(text: str) -> str | None:
        return text if goals else None

    noisy = goals and noise > 0
    solvable = [row for row in chosen if row.solvable]
    recommended = [row.recommended for row in solvable if row.recommended is not None]
    if solvable:
        yield Figure.of(f"{label}: runs that recommend nothing after 20 trials", _share(solvable, _silent), "%")
        yield Figure.of(f"{label}: runs that gave up where something holds the limits", _share(solvable, _gave_up), "%")
    if recommended:
        holds = 100 * _mean([one.holds for one in recommended])
        yield Figure.of(
            f"{label}: recommended after 20 trials and truly feasible",
            holds,
            "% of recommendations",
            goal=">= 99" if noisy else None,
        )
    safe = [row for row in solvable if row.secure]
    if safe:
        yield Figure.of(
            f"{label}: recommended within 5 % of the best at 90 % of the limit",
            _share(safe, _near),
            "% of runs",
            goal=">= 90" if noisy else None,
        )
    hopeless = [row for row in chosen if not row.solvable]
    if hopeless:
        said = [float(row.none_after or row.trials + 1) for row in hopeless]
        yield Figure.of(
            f"{label}: trials until it says that nothing holds the limits, worst",
            max(said),
            "trials",
            goal=goal(f"<= {SAID_WITHIN}"),
        )
    covered = [row.coverage for row in chosen if row.coverage is not None]
    if covered:
        coverage = 100 * _mean(covered)
        yield Figure.of(f"{label}: cells in the 90 % intervals after 10 trials", coverage, "%", goal=goal(">= 85"))
        yield Figure.of(f"{label}: the same, not too wide", coverage, "%", goal=goal("<= 95"))
    yield from _accuracy(chosen, label, goal(">= 92") if noise == 0 else None)


def _accuracy(chosen: Sequence[Row], label: str, goal: str | None) -> Iterator[Figure]:
    """The published figure is that of a predictor, so the goal is for evenly spread trials."""
    told: tuple[tuple[str, list[float | None], str | None], ...] = (
        (f"on other cells after {SPREAD} evenly spread trials", [row.accuracy_spread for row in chosen], goal),
        (f"on cells within the limits after {AFTER} trials of a search", [row.accuracy_within for row in chosen], None),
        (f"on all cells after {AFTER} trials of a search", [row.accuracy for row in chosen], None),
    )
    for where, values, wanted in told:
        known = [value for value in values if value is not None]
        if known:
            yield Figure.of(f"{label}: accuracy of predicted throughput {where}", 100 * _mean(known), "%", goal=wanted)


def _silent(row: Row) -> bool:
    return row.recommended is None


def _gave_up(row: Row) -> bool:
    return row.none_after is not None


def _near(row: Row) -> bool:
    return row.recommended is not None and row.recommended.holds and (row.recommended.share or 0.0) >= NEAR


def _share(rows: Sequence[Row], which: Callable[[Row], bool]) -> float:
    return 100 * _mean([which(row) for row in rows])


def _mean(values: Sequence[float]) -> float:
    return statistics.fmean(values)


def _models(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row.model for row in rows))


def summaries(rows: Sequence[Row], most: int) -> list[dict[str, Any]]:
    """A line a method, noise and model: median and worst over seeds."""
    keys = dict.fromkeys((row.method, row.noise, row.model) for row in rows)
    lines = []
    for method, noise, model in keys:
        chosen = [row for row in rows if (row.method, row.noise, row.model) == (method, noise, model)]
        line: dict[str, Any] = {"method": method, "noise": noise, "model": model, "seeds": len(chosen)}
        if chosen[0].solvable:
            for share in SHARES:
                reached = _to(chosen, share, most)
                line[f"to {share} %"] = [quantile(reached, 0.5), quantile(reached, 1.0)]
        line["infeasible"] = round(_mean([row.infeasible / row.trials for row in chosen]), 3)
        if covered := [row.coverage for row in chosen if row.coverage is not None]:
            line["coverage"] = round(_mean(covered), 3)
            line["accuracy"] = round(_mean([row.accuracy or 0.0 for row in chosen]), 3)
        lines.append(line)
    return lines
