"""What a chain's events add up to, whichever process wrote them."""

from __future__ import annotations

from tuner.campaign.event import StepFinished, StepStarted, TrialFinished
from tuner.campaign.progress import Progress
from tuner.space.assignment import Assignment
from tuner.trial.outcome import Errored, Trial


def tried(number: int, seconds: float) -> TrialFinished:
    outcome = Errored(reason="no port")
    point = Assignment({"x": number})
    trial = Trial(number=number, assignment=point, workload="", outcome=outcome, started=100.0, ended=100.0 + seconds)
    return TrialFinished(trial=trial)


def test_a_step_took_at_least_as_long_as_its_servers_though_the_process_was_killed_in_between() -> None:
    progress = Progress()
    for event in (
        StepStarted(step="search"),
        tried(0, 40.0),
        tried(1, 20.0),
        StepStarted(step="search"),  # another process goes on
        StepFinished(step="search", seconds=0.5),
        StepFinished(step="report", seconds=1.0),
    ):
        progress = progress.after(event)
    assert progress.measured_steps == {"search": 60.0}


def test_the_time_between_servers_counts_where_one_process_did_it_all() -> None:
    progress = Progress()
    for event in (StepStarted(step="search"), tried(0, 40.0), StepFinished(step="search", seconds=43.5)):
        progress = progress.after(event)
    assert progress.measured_steps == {"search": 43.5}
