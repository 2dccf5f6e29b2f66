"""What the runs of the search benchmark come to: figures with their goals, and a line a model and method."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bench.search_intervals import interval_of, share_at
from bench.search_runs import AFTER, REGRET, SHARES, SPREAD, Row
from bench.search_setting import OURS
from tuner.measurement.benchmark import Against, Figure

__all__ = ["figures_of", "quantile", "summaries"]

SAID_WITHIN = 10
"""Trials within which a run has to say that nothing holds the limits."""
NEAR = 0.95
VISION, SERVING, MEMORY = "rapp_v100", "argonne", "estimates"
"""The shipped descriptors with goals: how few trials, how near after ten, and how few on what does not fit."""
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
                figures.append(Figure.of(f"{label}: runs", len(chosen), "runs"))
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
    named = [row.model for row in chosen if row.solvable]
    for share in SHARES:
        reached = _to(chosen, share, most)
        if not reached:
            continue
        for name, part in _OF.items():
            against = None
            if method != OURS[0] and (known := _to(ours, share, most)):
                against = Against(name=OURS[0], value=quantile(known, part))
            interval = interval_of(named, reached, share_at(part)) if part < 1 else None
            yield Figure.of(
                f"{label}: trials to within {share} %, {name}",
                quantile(reached, part),
                f"trials ({most + 1}: not within {most})",
                interval=interval,
                against=against,
                goal=_GOALS.get((method, noise, share, name)) if goals else None,
            )


def _waste(chosen: Sequence[Row], label: str, goals: str) -> Iterator[Figure]:
    exact = chosen[0].noise == 0
    near, memory = goals in (SERVING, MEMORY) and exact, goals == MEMORY and exact
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
            goal = "<= 2" if near and count == "10" else None
            yield Figure.of(f"{label}: regret after {count} trials, worst", max(regrets), "%", goal=goal)
    if chosen[0].method in OURS:
        yield _price(chosen, label, goal="<= 10" if goals == VISION else None)
    if failing:
        worst = max(row.failed for row in chosen)
        goal = "<= 1" if memory else None
        yield Figure.of(f"{label}: of the first 10 trials did not run, worst", worst, "trials", goal=goal)
    yield Figure.of(f"{label}: a proposal takes, median", statistics.median(row.ask_ms for row in chosen), "ms")
    yield Figure.of(f"{label}: a proposal takes, worst", max(row.ask_ms_worst for row in chosen), "ms")


def _price(chosen: Sequence[Row], label: str, goal: str | None) -> Figure:
    """What the runs took of a processor, with all that was learned for them, put to 200 runs on two cores."""
    seeds = len(chosen) / len(_models(chosen))
    minutes = sum(row.cpu_s for row in chosen) / len(_models(chosen)) * 10 * (20 / seeds) / 2 / 60
    return Figure.of(f"{label}: 10 models x 20 seeds on two cores", minutes, "minutes of each core", goal=goal)


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
        near = [100.0 * _near(row) for row in safe]
        yield Figure.of(
            f"{label}: recommended within 5 % of the best at 90 % of the limit",
            _mean(near),
            "% of runs",
            interval=interval_of([row.model for row in safe], near, lambda values: float(values.mean())),
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
    """A group a method, noise and model; of trials the median, the 90th percentile and the worst over seeds."""
    keys = dict.fromkeys((row.method, row.noise, row.model) for row in rows)
    groups = []
    for method, noise, model in keys:
        chosen = [row for row in rows if (row.method, row.noise, row.model) == (method, noise, model)]
        groups.append(
            {"method": method, "noise": noise, "model": model, "seeds": len(chosen)}
            | {"trials_to": {share: _spread(_to(chosen, share, most), most) for share in SHARES}}
            | {"regret": {str(count): _median([row.regret[str(count)] for row in chosen]) for count in REGRET}}
            | {"infeasible": round(_mean([row.infeasible / row.trials for row in chosen]), 3)}
            | {"ask_ms": _median([row.ask_ms for row in chosen])}
            | {"coverage": _median([row.coverage for row in chosen])}
            | {"accuracy": _median([row.accuracy for row in chosen])}
        )
    return groups


def _spread(reached: Sequence[float], most: int) -> dict[str, int | None]:
    """``None`` where it was not reached, or where nothing holds the limits."""
    found = {name: quantile(reached, part) if reached else most + 1 for name, part in _OF.items()}
    return {name: None if value > most else int(value) for name, value in found.items()}


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(statistics.median(known), 4) if known else None
