"""A trial that was cut short in the report: what it was, and no figure that it does not have."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tuner.measurement.model import Cut
from tuner.report.metric import merit_of, reading
from tuner.report.model import ReportInput
from tuner.report.tally import reasons_of, tally_of, tally_words
from tuner.report.trial_row import trial_rows
from tuner.trial.outcome import Completed

Build = Callable[..., ReportInput]
NUMBER = 7


@pytest.fixture
def report(build: Build) -> ReportInput:
    """The usual campaign, in which one trial was cut short."""
    made = build("propose", trials=36)
    (trial,) = [trial for trial in made.trials if trial.number == NUMBER]
    assert isinstance(trial.outcome, Completed)
    measurement = trial.outcome.measurement.model_copy(update={"cut": Cut(at_most=310.0, needed=800.0)})
    short = trial.model_copy(update={"outcome": Completed(measurement=measurement)})
    trials = tuple(short if each.number == NUMBER else each for each in made.trials)
    without = {name: {n: one for n, one in getattr(made, name).items() if n != NUMBER} for name in ("costs",)}
    return made.model_copy(update={"trials": trials, **without})


def test_its_row_says_at_most_how_much_and_what_it_needed(report: ReportInput) -> None:
    (row,) = [row for row in trial_rows(report) if row.number == NUMBER]
    assert (row.outcome, row.reason) == ("cut short", "at most 310 requests/s, needs 800 to matter")
    assert (row.capacity, row.metric) == (None, None)


def test_it_has_no_reading_and_no_merit(report: ReportInput) -> None:
    (trial,) = [trial for trial in report.trials if trial.number == NUMBER]
    assert reading(report, trial) is None
    assert merit_of(report, trial) is None


def test_it_is_counted_by_itself_and_is_no_failure(report: ReportInput, build: Build) -> None:
    counts = {row.name: row.count for row in tally_of(report)}
    usual = {row.name: row.count for row in tally_of(build("propose", trials=36))}
    assert counts == usual | {"measured": usual["measured"] - 1, "cut short": 1}
    assert ", 1 cut short, " in tally_words(report)
    assert reasons_of(report) == reasons_of(build("propose", trials=36))
