"""What a measured table says of itself: ``python -m bench.table_facts bench/tables/NAME.csv …``.

Configurations and how their trials ended; how much the capacities of one configuration differ that was measured in both
campaigns; how much of the machine others used meanwhile; how long it took.
"""

from __future__ import annotations

import csv
import math
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from bench.table_rows import PARAMETERS

__all__ = ["changes", "facts", "main"]

Row = Mapping[str, str]
_SAID_NOTHING = ("inconclusive", "errored")
_KEY = tuple("memory_mib" if name == "memory" else name for name in PARAMETERS)


def facts(rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """What there is to say, and the value. ValueError where no row has a measurement."""
    told = [row for row in rows if row["outcome"] not in _SAID_NOTHING]
    measured = [row for row in rows if row["outcome"] == "completed"]
    if not measured:
        raise ValueError("no row has a measurement")
    yield "trials", f"{len(rows)}"
    yield "configurations that were decided", f"{len({_key(row) for row in told})}"
    yield "outcomes", ", ".join(f"{name} {count}" for name, count in Counter(row["outcome"] for row in rows).items())
    capacities = [float(row["capacity_rps"]) for row in measured]
    yield "capacity", f"{min(capacities):.4g} to {max(capacities):.4g} requests/s"
    widths = [float(row["capacity_high_rps"]) / float(row["capacity_low_rps"]) - 1 for row in measured]
    yield "width of the intervals", f"median {np.median(widths):.0%}"
    yield from _repeatability(rows)
    foreign = [float(row["foreign_cpu"]) for row in rows if row["foreign_cpu"]]
    if foreign:
        yield "share of both cores' time that others used", f"median {np.median(foreign):.0%}, most {max(foreign):.0%}"
    stolen = [float(row["stolen_cpu"]) for row in rows if row["stolen_cpu"]]
    if stolen:
        yield "share that the hypervisor took", f"median {np.median(stolen):.1%}, most {max(stolen):.1%}"
    yield "trials marked as disturbed", f"{sum(bool(row['disturbed']) for row in rows)}"
    seconds = [float(row["seconds"]) for row in rows]
    yield "seconds of a trial", f"median {np.median(seconds):.1f}, {sum(seconds) / 60:.0f} minutes in all"
    began = [float(row["began"]) for row in rows]
    yield "measured", f"{_time(min(began))} to {_time(max(began))}"


def changes(rows: Sequence[Row]) -> list[tuple[Row, Row]]:
    """First and second measurement of each configuration that has both."""
    by_key: dict[tuple[str, ...], dict[str, Row]] = {}
    for row in rows:
        if row["outcome"] == "completed":
            by_key.setdefault(_key(row), {}).setdefault(row["campaign"], row)
    return [(found["first"], found["again"]) for found in by_key.values() if {"first", "again"} <= found.keys()]


def _repeatability(rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    pairs = changes(rows)
    outcomes: dict[tuple[str, ...], dict[str, str]] = {}
    for row in rows:
        if row["outcome"] not in _SAID_NOTHING:
            outcomes.setdefault(_key(row), {})[row["campaign"]] = row["outcome"]
    twice = [found for found in outcomes.values() if len(found) == 2]
    yield "configurations that were decided twice", f"{len(twice)}"
    if twice:
        alike = sum(found["first"] == found["again"] for found in twice)
        yield "of these with the same outcome", f"{alike} ({alike / len(twice):.0%})"
    if len(pairs) > 1:
        logs = [math.log(float(again["capacity_rps"]) / float(first["capacity_rps"])) for first, again in pairs]
        apart = np.expm1(np.abs(logs))
        yield "capacities measured twice", f"{len(pairs)}"
        yield "the second by the first", f"geometric mean {math.exp(float(np.mean(logs))):.3f}"
        yield "their difference", f"median {np.median(apart):.1%}, p90 {np.quantile(apart, 0.9):.1%}"
        single = float(np.std(logs, ddof=1)) / math.sqrt(2)
        yield "standard deviation of a single measurement", f"{single:.1%}"
        meet = sum(_meet(first, again) for first, again in pairs)
        yield "pairs whose intervals meet", f"{meet} ({meet / len(pairs):.0%})"


def _meet(one: Row, other: Row) -> bool:
    low, high = ([float(row[f"capacity_{end}_rps"]) for row in (one, other)] for end in ("low", "high"))
    return max(low) <= min(high)


def _key(row: Row) -> tuple[str, ...]:
    return tuple(row[name] for name in _KEY)


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def main(arguments: Sequence[str]) -> int:
    """Print the facts of each table; 2 where none is named."""
    if not arguments:
        sys.stderr.write("usage: python -m bench.table_facts bench/tables/NAME.csv …\n")
        return 2
    for name in arguments:
        with Path(name).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        sys.stdout.write(f"## {Path(name).stem}\n\n| | |\n|---|---|\n")
        sys.stdout.writelines(f"| {what} | {value} |\n" for what, value in facts(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
