"""What each trial used, what it made of it, and what disturbed it: in the table, with units, and in the JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from tuner.measurement.resource_use import GpuUse, ResourceUse
from tuner.recommendation.efficiency import Efficiency
from tuner.report.document import render
from tuner.report.model import ReportInput, Stability
from tuner.report.steadiness import steadiness
from tuner.report.trial_row import columns_of, trial_rows
from tuner.trial.outcome import Completed, Trial

Build = Callable[..., ReportInput]
GIB = 2**30


def with_gpus(trial: Trial, *gpus: GpuUse) -> Trial:
    assert isinstance(trial.outcome, Completed)
    use = ResourceUse(elapsed=14.0, cpu_seconds=20.3, gpus=gpus)
    measurement = trial.outcome.measurement.model_copy(update={"use": use})
    return trial.model_copy(update={"outcome": Completed(measurement=measurement)})


def heads(report: ReportInput) -> list[str]:
    table = render(report).page.partition('id="all-trials"')[2]
    return re.findall(r'<th scope="col">([^<]*)</th>', table.partition("</thead>")[0])


def test_the_table_tells_use_and_efficiency_with_their_units(build: Build) -> None:
    report = build("propose")
    assert heads(report)[-6:] == [
        "Busy cores",
        "Peak memory",
        "Requests/s per core",
        "Requests/s per GiB",
        "Time",
        "Record",
    ]
    row = trial_rows(report)[0]
    assert row.capacity is not None
    assert row.per_core is not None
    assert row.per_core.raw == pytest.approx(row.capacity.raw / 2)
    assert row.memory is not None
    assert row.memory.text == "412 MiB"


def test_gpus_have_columns_where_a_trial_had_one(build: Build) -> None:
    report = build("propose")
    board = GpuUse(uuid="GPU-0", samples=9, peak_memory=3 * GIB, memory_of="server", activity=0.5)
    instance = GpuUse(uuid="MIG-1", samples=9, peak_memory=2 * GIB)
    trials = (with_gpus(report.trials[0], board, instance), with_gpus(report.trials[1], instance), *report.trials[2:])
    sliced = {0: Efficiency(requests_per_second_per_slice=90.0)}
    rows = trial_rows(build("propose", trials=36).model_copy(update={"trials": trials, "efficiencies": sliced}))
    names = [head for head, _ in columns_of(rows)]
    assert names == ["Peak memory", "GPU memory", "GPU active", "Requests/s per GPU or slice"]
    assert rows[0].gpu_memory is not None
    assert rows[0].gpu_memory.text == "5 GiB"
    assert rows[0].gpu_active is not None
    assert rows[0].gpu_active.text == "50 %"
    assert rows[1].gpu_active is None, "an instance tells no activity"


def test_a_disturbed_trial_says_by_what(build: Build) -> None:
    report = build("propose")
    rows = trial_rows(report)
    assert rows[2].doubt == "other processes used 31 % of the trial's CPU time"
    assert rows[4].doubt == "the machine changed speed by -18 % (-24 to -11 %) while it ran"
    assert rows[0].doubt == ""
    assert "disturbed: other processes used 31 %" in render(report).page.replace("&#39;", "'")


def test_the_json_names_its_units(build: Build) -> None:
    report = build("propose")
    stored = json.loads(report.to_json())["efficiencies"]["0"]
    assert set(stored) == {
        "requests_per_second_per_core",
        "requests_per_second_per_gib",
        "requests_per_second_per_slice",
        "busy_cores",
    }
    assert ReportInput.from_json(report.to_json()) == report


def test_a_campaign_that_was_stored_before_reads_and_renders(build: Build) -> None:
    raw = json.loads(build("propose").to_json())
    del raw["efficiencies"], raw["stability"]
    for trial in raw["trials"]:
        measurement = trial["outcome"].get("measurement")
        if measurement:
            del measurement["use"], measurement["interference"]
        elif "measurement" in trial["outcome"]:
            del trial["outcome"]["measurement"]
    old = ReportInput.from_json(json.dumps(raw))
    assert "Requests/s per core" not in heads(old)
    assert "reference load" not in render(old).page


def test_how_steady_the_machine_was_is_told_in_sentences(build: Build) -> None:
    looked = "The machine's speed was looked at 44 times with a reference load; one look is good to about 2.4 %."
    assert steadiness(Stability(looks=44, noise=0.012)) == f"{looked} It did not change."
    told = steadiness(
        Stability(
            looks=44,
            noise=0.012,
            changes={9: "+22 % (+15 to +29 %)", 4: "-18 % (-24 to -11 %)"},
            repeated=(4, 9),
            blocks=(3,),
        )
    )
    assert told == (
        f"{looked} It changed during trial 4 by -18 % (-24 to -11 %), during trial 9 by +22 % (+15 to +29 %), "
        "during block 4 of the confirmation. The configuration of trials 4, 9 was tried again."
    )
    assert "It changed during trial 4" in render(build("propose")).page
