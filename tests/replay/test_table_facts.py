"""What a measured table says of itself, on rows whose answers are known."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

from bench.table_facts import changes, facts, main
from bench.table_rows import COLUMNS

LOW, HIGH = 0.9, 1.2


def row(memory: int, campaign: str, capacity: float | None, outcome: str = "completed") -> dict[str, str]:
    told = dict.fromkeys(COLUMNS, "1") | {"memory_mib": str(memory), "campaign": campaign, "outcome": outcome}
    ends = {"low": LOW, "high": HIGH}
    told |= {f"capacity_{end}_rps": "" if capacity is None else str(capacity * by) for end, by in ends.items()}
    return told | {"capacity_rps": "" if capacity is None else str(capacity), "disturbed": "", "foreign_cpu": "0.25"}


def test_repeated_configurations_are_compared() -> None:
    rows = [
        row(64, "first", 100.0),
        row(64, "again", 110.0),
        row(128, "first", 100.0),
        row(128, "again", 200.0),
        row(256, "first", None, "inconclusive"),
        row(256, "first", 50.0),
        row(512, "first", None, "out-of-memory"),
        row(512, "again", None, "out-of-memory"),
        row(32, "first", None, "out-of-memory"),
        row(32, "again", 40.0),
    ]
    told = dict(facts(rows))
    assert told["configurations that were decided"] == "5"
    assert told["outcomes"] == "completed 6, inconclusive 1, out-of-memory 3"
    assert told["configurations that were decided twice"] == "4"
    assert told["of these with the same outcome"] == "3 (75%)"
    assert told["capacities measured twice"] == "2"
    assert told["the second by the first"] == f"geometric mean {math.sqrt(1.1 * 2):.3f}"
    assert told["pairs whose intervals meet"] == "1 (50%)"
    spread = math.log(2 / 1.1) / math.sqrt(2) / math.sqrt(2)  # of two values, for one of the two measurements
    assert told["standard deviation of a single measurement"] == f"{spread:.1%}"
    assert [float(again["capacity_rps"]) for _, again in changes(rows)] == [110.0, 200.0]


def test_a_table_without_a_measurement_has_no_facts() -> None:
    with pytest.raises(ValueError, match="no row has a measurement"):
        list(facts([row(64, "first", None, "died")]))


def test_the_facts_are_printed_as_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (tmp_path / "t.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerow(row(64, "first", 100.0))
    assert main([str(tmp_path / "t.csv")]) == 0
    assert "| trials | 1 |" in capsys.readouterr().out
    assert main([]) == 2
