"""Which parameters made the difference."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from tuner.report.figure.canvas import CANDIDATE, Plot, draw
from tuner.report.model import Importance
from tuner.report.text import shorten

__all__ = ["importance_plot", "ranked", "share_text"]

_SHOWN = 12


def ranked(importance: Importance) -> list[tuple[str, float]]:
    """Parameters with their share, largest first; equal shares by name."""
    return sorted(importance.shares.items(), key=lambda item: (-item[1], item[0]))


def share_text(share: float) -> str:
    """Whole per cent: a share has no interval that would support more."""
    return "< 1 %" if 0 < share < 0.01 else f"{share * 100:.0f} %"


def importance_plot(importance: Importance | None) -> Plot | None:
    """Shares as bars, at most twelve; ``None`` where nothing was computed."""
    if importance is None or not importance.shares:
        return None
    rows = ranked(importance)[:_SHOWN]
    words = ", ".join(f"{name} {share_text(share)}" for name, share in rows)
    return draw(
        "importance",
        "Importance of the parameters",
        f"{words}. Computed by {importance.method}.",
        lambda figure: _paint(figure, rows),
        (6.0, 1.0 + 0.32 * len(rows)),
    )


def _paint(figure: Figure, rows: list[tuple[str, float]]) -> None:
    axes = figure.subplots()
    shares = [share for _, share in rows]
    bars = axes.barh(range(len(rows)), shares, height=0.6, color=CANDIDATE)
    axes.bar_label(bars, labels=[share_text(share) for share in shares], padding=4, fontsize=10)
    axes.set_yticks(range(len(rows)), [shorten(name, 28) for name, _ in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, max(max(shares) * 1.18, 0.05))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.set_xlabel("share of the difference between configurations")
    axes.grid(axis="y", visible=False)
