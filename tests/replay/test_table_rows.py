"""Rows of a measured table: what a ledger says of each trial, and nothing that it does not say."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from bench.table_rows import COLUMNS, Row, rows_of, write_rows
from tuner.campaign.event import CampaignStarted, MachineChecked, TrialFinished
from tuner.campaign.journal import Journal
from tuner.campaign.observer import Silent
from tuner.measurement.interference import Interference
from tuner.measurement.model import Capacity, Interval, Measurement
from tuner.space.assignment import Assignment
from tuner.spec.model import Prices
from tuner.trial.hardware import survey
from tuner.trial.outcome import Completed, Failed, FailureKind, Inconclusive, Outcome, Trial

PRICES = Prices.model_validate({"cpu": "0.03 USD", "memory": "0.004 USD"})
PLAIN: dict[str, int | bool] = {
    "max_batch_size": 1,
    "instance_count": 2,
    "dynamic_batching": False,
    "memory": 256 * 2**20,
}
BATCHED: dict[str, int | bool] = {
    **PLAIN,
    "max_batch_size": 4,
    "dynamic_batching": True,
    "max_queue_delay_us": 500,
    "preferred_batch_size": 2,
}
MEASUREMENT = Measurement(
    capacity=Capacity(rate=Interval(value=400.0, low=380.0, high=410.0)),
    curve=(),
    unloaded={"p50": 0.002},
    start_up=0.7,
    warm_up=1.0,
    elapsed=5.0,
    peak_memory=100 * 2**20,
    interference=Interference(elapsed=5.0, cores=2, foreign=0.3, marks=("other processes used 30 %",)),
)
FASTER = Interval(value=0.2, low=0.1, high=0.3)


def trial(number: int, values: dict[str, int | bool], outcome: Outcome) -> Trial:
    full: dict[str, int | bool | str] = {
        "intra_op_threads": 1,
        "intra_op_spinning": True,
        "graph_optimization": "all",
        **values,
    }
    return Trial(
        number=number,
        assignment=Assignment(full),
        workload="w",
        outcome=outcome,
        started=1000.0 + number,
        ended=1003.5 + number,
    )


def rows_after(folder: Path, *events: TrialFinished | MachineChecked) -> list[Row]:
    started = CampaignStarted(
        service="images",
        spec_path="tuning.yaml",
        spec_commit="0" * 40,
        base_branch="main",
        base_commit="0" * 40,
        inputs={},
        engine="triton",
        backend="process",
        policy_revision="r",
        space_size=2,
        baseline=Assignment({}),
        baseline_workload="w",
        seed=0,
        tuner="0",
        machine=survey(),
        system="Linux",
    )
    with Journal.open(folder / "ledger.jsonl", "images-1", Silent()) as journal:
        for event in (started, *events):
            journal.record(event)
        return rows_of(journal.chain(), "first", PRICES, cores=1.0)


def test_a_row_says_what_was_measured_under_which_configuration(tmp_path: Path) -> None:
    outcome = Completed(measurement=MEASUREMENT)
    (row,) = rows_after(tmp_path, TrialFinished(trial=trial(0, PLAIN, outcome)))
    expected = {
        "service": "images",
        "dynamic_batching": "false",
        "max_queue_delay_us": "0",
        "preferred_batch_size": "0",
        "memory_mib": "256",
        "outcome": "completed",
        "capacity_rps": "400",
        "capacity_low_rps": "380",
        "unloaded_p50_ms": "2",
        "peak_memory_mib": "100",
        "usd_per_hour": "0.031",
        "foreign_cpu": "0.3",
        "disturbed": "other processes used 30 %",
        "seconds": "3.50",
        "campaign": "first",
    }
    assert {name: row.fields[name] for name in expected} == expected
    assert "load_rps" not in row.fields


@pytest.mark.parametrize(
    ("outcome", "word", "reason"),
    [
        (Failed(failure=FailureKind.OUT_OF_MEMORY, reason="held 97 MiB\nlog of 9:00"), "out-of-memory", "held 97 MiB"),
        (Failed(failure=FailureKind.DIED, reason="/root/.cache/x/y said no"), "died", "… said no"),
        (Inconclusive(reason="the generator was late"), "inconclusive", "the generator was late"),
    ],
)
def test_a_trial_without_a_measurement_says_why(tmp_path: Path, outcome: Outcome, word: str, reason: str) -> None:
    (row,) = rows_after(tmp_path, TrialFinished(trial=trial(0, BATCHED, outcome)))
    assert (row.fields["outcome"], row.fields["reason"]) == (word, reason)
    assert (row.fields["max_queue_delay_us"], row.fields["preferred_batch_size"]) == ("500", "2")
    assert not any(name.startswith("capacity") for name in row.fields)


def test_what_never_met_its_slo_keeps_what_was_seen_of_it(tmp_path: Path) -> None:
    seen = MEASUREMENT.model_copy(update={"capacity": None})
    outcome = Failed(failure=FailureKind.INFEASIBLE, reason="no load met the SLO", measurement=seen)
    (row,) = rows_after(tmp_path, TrialFinished(trial=trial(0, PLAIN, outcome)))
    assert row.fields["outcome"] == "missed-slo"
    assert row.fields["unloaded_p50_ms"] == "2"
    assert "capacity_rps" not in row.fields


def test_a_trial_during_which_the_machine_changed_its_speed_counts_for_nothing(tmp_path: Path) -> None:
    outcome = Completed(measurement=MEASUREMENT)
    steady = MachineChecked(references=(FASTER,), level="begun", trials=(0,))
    changed = MachineChecked(
        references=(FASTER,), level="kept", trials=(1,), change=FASTER, repeated=(1,), reason="the machine was faster"
    )
    rows = rows_after(
        tmp_path,
        TrialFinished(trial=trial(0, PLAIN, outcome)),
        steady,
        TrialFinished(trial=trial(1, PLAIN, outcome)),
        changed,
    )
    assert [row.fields["outcome"] for row in rows] == ["completed", "inconclusive"]
    assert rows[1].fields["disturbed"] == "the machine was faster"


def test_a_written_table_has_every_column_in_order(tmp_path: Path) -> None:
    outcome = Failed(failure=FailureKind.DIED, reason='it said "no", and died')
    rows = rows_after(tmp_path, TrialFinished(trial=trial(0, PLAIN, outcome)))
    with write_rows(tmp_path / "t.csv", rows).open(encoding="utf-8", newline="") as file:
        (read,) = csv.DictReader(file)
    assert tuple(read) == COLUMNS
    assert read["reason"] == 'it said "no", and died'
    assert read["capacity_rps"] == ""
