"""The rows of a measured table: what a campaign's ledger holds of each of its trials, one row a trial."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tuner.campaign.journal import progress_of
from tuner.campaign.progress import Progress
from tuner.measurement.model import Judgement, LoadPoint, Measurement
from tuner.space.price import hourly_cost
from tuner.spec.model import Prices, Scalar
from tuner.trial.outcome import Completed, Errored, Failed, FailureKind, Outcome, Trial

__all__ = ["COLUMNS", "PARAMETERS", "Row", "rows_of", "write_rows"]

PARAMETERS = (
    "max_batch_size",
    "instance_count",
    "dynamic_batching",
    "max_queue_delay_us",
    "preferred_batch_size",
    "intra_op_threads",
    "intra_op_spinning",
    "graph_optimization",
    "memory",
)
"""As the specs of both tables name them; ``memory`` is in MiB in the table."""
INACTIVE: Mapping[str, Scalar] = {"max_queue_delay_us": 0, "preferred_batch_size": 0}
"""What stands in the table for a parameter that means nothing there (requests are not gathered)."""
PERCENTILES = ("p50", "p90", "p95", "p99")
COLUMNS = (
    *("service", *(f"{name}_mib" if name == "memory" else name for name in PARAMETERS)),
    *("outcome", "reason", "capacity_rps", "capacity_low_rps", "capacity_high_rps"),
    *("load_rps", *(f"{name}_ms" for name in PERCENTILES), *(f"unloaded_{name}_ms" for name in PERCENTILES)),
    *("peak_memory_mib", "busy_cores", "start_up_s", "seconds", "usd_per_hour"),
    *("disturbed", "foreign_cpu", "stolen_cpu", "campaign", "trial", "began"),
)
_LONGEST = 160
_MIB = 2**20
_PATH = re.compile(r"(?<![\w.])/[\w.+-]+(?:/[\w.+-]+)+/?")
_OUTCOMES = {"completed": "completed", "errored": "errored", "inconclusive": "inconclusive"}


@dataclass(frozen=True, slots=True)
class Row:
    """One trial, as text by column; what was not measured is empty."""

    fields: Mapping[str, str]


def rows_of(chain: bytes, campaign: str, prices: Prices, cores: float) -> list[Row]:
    """A row for each trial of the chain, in the order in which they ran; ``campaign`` names the chain in the table."""
    progress = progress_of(chain)
    if progress.started is None:
        return []
    about = {"service": progress.started.service, "campaign": campaign}
    return [
        Row(about | _parameters(trial) | _ended(trial.outcome) | _cost(trial, prices, cores) | _when(trial, progress))
        for trial in progress.trials.values()
    ]


def write_rows(path: Path, rows: Sequence[Row]) -> Path:
    """Write the table; the path."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(row.fields for row in rows)
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


def _parameters(trial: Trial) -> dict[str, str]:
    values = {**INACTIVE, **trial.assignment}
    memory = values.pop("memory")
    told = {name: str(values[name]).lower() for name in PARAMETERS if name != "memory"}
    return told | {"memory_mib": f"{float(memory) / _MIB:g}"}


def _ended(outcome: Outcome) -> dict[str, str]:
    if isinstance(outcome, Completed):
        return {"outcome": "completed", **_measured(outcome.measurement)}
    told = {"outcome": _OUTCOMES.get(outcome.kind, "failed"), "reason": _line(outcome.reason)}
    if isinstance(outcome, Failed):
        told["outcome"] = "missed-slo" if outcome.failure is FailureKind.INFEASIBLE else str(outcome.failure)
    if not isinstance(outcome, Errored) and outcome.measurement is not None:
        told |= _measured(outcome.measurement)
    return told


def _measured(measurement: Measurement) -> dict[str, str]:
    told = {f"unloaded_{name}_ms": _ms(value) for name, value in measurement.unloaded.items() if name in PERCENTILES}
    if measurement.capacity is not None:
        rate = measurement.capacity.rate
        told |= {
            "capacity_rps": _short(rate.value),
            "capacity_low_rps": _short(rate.low),
            "capacity_high_rps": _short(rate.high),
        }
        if point := _highest(measurement, rate.value):
            told["load_rps"] = _short(point.rate)
            told |= {f"{name}_ms": _ms(point.latency[name]) for name in PERCENTILES if name in point.latency}
    used = measurement.use.busy_cores if measurement.use else None
    seen = measurement.interference
    numbers = {
        "peak_memory_mib": None if measurement.peak_memory is None else measurement.peak_memory / _MIB,
        "busy_cores": used,
        "start_up_s": measurement.start_up,
        "foreign_cpu": seen.foreign if seen else None,
        "stolen_cpu": seen.steal if seen else None,
    }
    told |= {name: _short(value) for name, value in numbers.items() if value is not None}
    return told | {"disturbed": _line(seen.reason) if seen else ""}


def _highest(measurement: Measurement, capacity: float) -> LoadPoint | None:
    """The highest load up to the capacity that was not refused: its latencies are those of a server in full use."""
    held = [
        point
        for point in measurement.curve
        if point.rate <= 1.001 * capacity and point.judgement in (Judgement.PASS, Judgement.UNDECIDED)
    ]
    return max(held, key=lambda point: point.rate, default=None)


def _cost(trial: Trial, prices: Prices, cores: float) -> dict[str, str]:
    return {"usd_per_hour": _short(float(hourly_cost(prices, cores, int(trial.assignment["memory"]), {}).amount))}


def _when(trial: Trial, progress: Progress) -> dict[str, str]:
    told = {
        "trial": str(trial.number),
        "seconds": f"{trial.ended - trial.started:.2f}",
        "began": f"{trial.started:.0f}",
    }
    return told | ({"disturbed": progress.changes[trial.number].reason} if trial.number in progress.changes else {})


def _line(text: str) -> str:
    """The first line, without a path of this machine; an excerpt of a log may follow it."""
    plain = _PATH.sub("…", text.partition("\n")[0].strip())
    return plain if len(plain) <= _LONGEST else f"{plain[: _LONGEST - 1]}…"


def _ms(seconds: float) -> str:
    return _short(1000 * seconds)


def _short(value: float) -> str:
    return f"{value:.5g}"
