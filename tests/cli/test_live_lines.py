"""The lines that a person reads while a campaign runs, about the machine underneath."""

from __future__ import annotations

from typing import Literal

import pytest

from tuner.campaign.event import ExperienceRecalled, MachineChecked, TrialFinished
from tuner.cli.live import Narrator
from tuner.measurement.interference import Interference
from tuner.measurement.model import Capacity, Cut, Interval, Measurement
from tuner.space.assignment import Assignment
from tuner.trial.outcome import Completed, Trial

FALL = Interval(value=-0.18, low=-0.21, high=-0.15)


def looked(
    change: Interval | None,
    level: Literal["begun", "kept", "regained"],
    *,
    repeated: tuple[int, ...] = (),
    block: tuple[int, int] | None = None,
) -> MachineChecked:
    return MachineChecked(references=(), level=level, change=change, repeated=repeated, block=block, seconds=6.2)


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (looked(None, "kept"), ""),
        (looked(FALL, "begun"), "the machine changed speed by -18 % (-21 to -15 %)"),
        (
            looked(FALL, "regained", repeated=(3,)),
            "the machine changed speed by -18 % (-21 to -15 %) (it came back after 6 s); trial 3 is run again",
        ),
        (
            looked(FALL, "begun", block=(7, 2)),
            "the machine changed speed by -18 % (-21 to -15 %); the block is marked",
        ),
    ],
)
def test_only_a_change_of_the_machines_speed_is_worth_a_line(event: MachineChecked, line: str) -> None:
    assert Narrator().line(event) == line


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (ExperienceRecalled(), ""),
        (ExperienceRecalled(trials=1200, services=3), "learned from 1,200 earlier trials of 3 services"),
        (ExperienceRecalled(trials=4, services=1), "learned from 4 earlier trials of 1 service"),
        (ExperienceRecalled(reason="gone"), "what earlier campaigns taught is not used: gone"),
        (
            ExperienceRecalled(trials=4, services=1, reason="gone"),
            "learned from 4 earlier trials of 1 service; what earlier campaigns taught is not used: gone",
        ),
    ],
)
def test_what_was_learned_from_is_said(event: ExperienceRecalled, line: str) -> None:
    assert Narrator().line(event) == line


def test_a_trial_that_was_cut_short_says_at_most_how_much_and_what_it_needed() -> None:
    measurement = Measurement(
        capacity=Capacity(rate=Interval(value=200.0, low=90.0, high=220.0)),
        cut=Cut(at_most=220.0, needed=400.0),
        curve=(),
        warm_up=0.0,
        elapsed=3.0,
    )
    trial = Trial(
        number=4,
        assignment=Assignment({"instances": 2}),
        workload="",
        outcome=Completed(measurement=measurement),
        started=0.0,
        ended=3.0,
    )
    line = Narrator().line(TrialFinished(trial=trial))
    assert "cut short: at most 220 requests/s, needs 400 to matter   3.0 s" in line


def test_a_disturbed_trial_says_so_in_its_line() -> None:
    measurement = Measurement(
        capacity=Capacity(rate=Interval(value=200.0, low=190.0, high=210.0)),
        curve=(),
        warm_up=0.0,
        elapsed=9.0,
        interference=Interference(elapsed=9.0, cores=2, foreign=0.3, marks=("other processes used 30 %",)),
    )
    trial = Trial(
        number=4,
        assignment=Assignment({"instances": 2}),
        workload="",
        outcome=Completed(measurement=measurement),
        started=0.0,
        ended=9.0,
    )
    assert "disturbed: other processes used 30 %" in Narrator().line(TrialFinished(trial=trial))
