"""The tables in bench/tables: each is read with the descriptor beside it, and holds what its spec lets be tried."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from bench.search import shipped
from bench.table_rows import COLUMNS, INACTIVE, PARAMETERS
from tuner.engine.registry import engine_named
from tuner.replay.descriptor import read_descriptor_file
from tuner.replay.prior import others, read_prior
from tuner.replay.recording import Recording, recording_of
from tuner.replay.sheet import read_sheet_file
from tuner.replay.table import read_table_file
from tuner.space.assignment import Assignment
from tuner.space.build import build_space
from tuner.space.space import Space
from tuner.spec.loading import load_spec
from tuner.spec.model import Scalar

TABLES = Path(__file__).resolve().parent.parent.parent / "bench" / "tables"
NAMES = ("text-orientation", "file-type")
MIB = 2**20


def rows_in(name: str) -> list[dict[str, str]]:
    with (TABLES / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def recorded(name: str) -> Recording:
    return recording_of(read_table_file(TABLES / f"{name}.csv", read_descriptor_file(TABLES / f"{name}.yaml")))


def space_of(name: str) -> Space:
    loaded = load_spec((TABLES / f"{name}.tuning.yaml").read_bytes(), "tuning.yaml")
    return build_space(loaded, engine_named("triton").parameters())


def assignment_of(row: dict[str, str]) -> Assignment:
    """The row's configuration as its campaign had it: without what means nothing there."""
    values: dict[str, Scalar] = {}
    for name in PARAMETERS:
        if name == "memory":
            values[name] = int(float(row["memory_mib"]) * MIB)
        elif row[name] in ("true", "false"):
            values[name] = row[name] == "true"
        else:
            values[name] = int(row[name]) if row[name].isdigit() else row[name]
    if values["dynamic_batching"] is False:
        assert {name: values.pop(name) for name in INACTIVE} == INACTIVE
    return Assignment(values)


@pytest.mark.parametrize("name", NAMES)
def test_every_row_lies_in_the_space_of_its_spec(name: str) -> None:
    space = space_of(name)
    rows = rows_in(name)
    assert list(rows[0]) == list(COLUMNS)
    for row in rows:
        assert space.violations(assignment_of(row)) == ()
        assert space.contains(assignment_of(row)), row
        assert row["service"] == name


@pytest.mark.parametrize("name", NAMES)
def test_each_table_has_at_least_200_configurations_and_some_twice(name: str) -> None:
    told = [assignment_of(row) for row in rows_in(name) if row["outcome"] not in ("inconclusive", "errored")]
    assert len(set(told)) >= 200
    twice = {assignment for assignment in told if told.count(assignment) > 1}
    assert 5 * len(twice) >= len(set(told))


@pytest.mark.parametrize("name", NAMES)
def test_only_what_was_measured_has_a_capacity(name: str) -> None:
    for row in rows_in(name):
        numbers = [row[f"capacity{end}_rps"] for end in ("_low", "", "_high")]
        if row["outcome"] == "completed":
            low, value, high = map(float, numbers)
            assert 0 < low <= value <= high
            assert float(row["load_rps"] or value) <= 1.01 * value
            assert float(row["peak_memory_mib"]) > 0
        else:
            assert row["reason"]
            assert numbers == ["", "", ""] or row["outcome"] == "inconclusive"
        assert float(row["usd_per_hour"]) == pytest.approx(0.0316 + 0.0042 * float(row["memory_mib"]) / 1024, rel=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_a_table_is_replayed_with_the_descriptor_beside_it(name: str) -> None:
    assert shipped(read_sheet_file(TABLES / f"{name}.csv")) == TABLES / f"{name}.yaml"
    recording = recorded(name)
    assert recording.start in recording.candidates
    assert recording.best is not None
    best = recording.best.assignment
    hourly = 0.0316 + 0.0042 * float(best["memory"]) / 1024
    assert recording.best.merit == pytest.approx(recording.cells[best].values["capacity"] * 3600 / hourly)
    failed = [one for one in recording.candidates if recording.tried(one).outcome == "failed"]
    assert len(failed) > 0
    assert len(recording.cells) >= 90


@pytest.mark.parametrize(("name", "other"), [NAMES, NAMES[::-1]])
def test_each_table_is_a_prior_of_the_other(name: str, other: str) -> None:
    recording = recorded(name)
    descriptor = read_descriptor_file(TABLES / f"{name}.yaml")
    (earlier,) = others(read_prior(TABLES / f"{other}.csv", descriptor), recording.service, recording.family)
    assert earlier.service == other
    assert set(earlier.trials[0].assignment) == set(recording.candidates[0])
    assert {tried.outcome for tried in earlier.trials} == {"completed", "failed"}
