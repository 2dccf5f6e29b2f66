"""What a person sees of a search benchmark: a row for each method, the goals, and what each model was learned from."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from bench.search_figures import quantile
from bench.search_runs import SHARES, Row
from bench.search_setting import Setting
from tuner.measurement.benchmark import Figure

__all__ = ["learned_from", "print_figures"]

_WIDTH = 116
_REGRET = "10"
_COLUMNS = (
    "method",
    "models",
    "runs",
    *(f"to {share} %" for share in SHARES),
    "regret after 10",
    "infeasible",
    "ask ms",
)


def learned_from(setting: Setting, models: Sequence[str]) -> str:
    """Each model's family, and how many other services the prior of ours has for it."""
    lines = []
    for model in models:
        known = setting.experience(model)
        lines.append(f"{model}: of the family {setting.recording(model).family}, learns from {len(known)} services")
    return "\n".join(lines) + "\n"


def print_figures(rows: Sequence[Row], figures: Sequence[Figure], most: int) -> None:
    """A table a noise (of trials the median, the 90th percentile and the worst), and every figure with a goal."""
    console = Console()
    console = console if console.width >= _WIDTH else Console(width=_WIDTH)
    for noise in sorted({row.noise for row in rows}):
        table = Table(*_COLUMNS, title=f"noise {noise:g}: trials as median / p90 / worst")
        for method in dict.fromkeys(row.method for row in rows if row.noise == noise):
            chosen = [row for row in rows if row.noise == noise and row.method == method]
            table.add_row(method, *_row(chosen, most))
        console.print(table)
    for figure in figures:
        if figure.met is not None:
            verdict = "met" if figure.met else "MISSED"
            console.print(
                f"{figure.id}: {figure.value:.4g} {figure.unit}, goal {figure.goal}: {verdict}", soft_wrap=True
            )


def _row(chosen: Sequence[Row], most: int) -> list[str]:
    solvable = [row for row in chosen if row.solvable]
    cells = [str(len({row.model for row in chosen})), str(len(chosen))]
    for share in SHARES:
        reached = [float(row.trials_to[share] or most + 1) for row in solvable]
        parts = [quantile(reached, part) for part in (0.5, 0.9, 1.0)] if reached else []
        cells.append(" / ".join(f">{most}" if part > most else f"{part:.0f}" for part in parts))
    regrets = [regret for row in solvable if (regret := row.regret[_REGRET]) is not None]
    cells.append(f"{quantile(regrets, 0.5):.1%}" if regrets else "")
    cells.append(f"{sum(row.infeasible for row in chosen) / sum(row.trials for row in chosen):.0%}")
    cells.append(f"{quantile([row.ask_ms for row in chosen], 0.5):.0f}")
    return cells
