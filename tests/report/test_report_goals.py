"""Each goal has its own number, its own words and its own direction."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tuner.recommendation.model import KeepBaseline, Propose
from tuner.report.body import body
from tuner.report.figure.progress import progress_plot
from tuner.report.headline import headline, title
from tuner.report.metric import merit_of, reading
from tuner.report.model import Candidate, ReportInput
from tuner.report.page import page
from tuner.report.runner_up import runners_up
from tuner.spec.model import Objective
from tuner.trial.outcome import Completed, Trial

Build = Callable[..., ReportInput]
GOALS: dict[str, tuple[dict[str, Any], str, str]] = {
    "cost": ({"goal": "minimize-cost"}, "as many requests per USD within", "requests per USD within p99 ≤ 50 ms"),
    "capacity": ({"goal": "maximize-capacity"}, "the capacity within", "capacity within p99 ≤ 50 ms"),
    "latency": ({"goal": "minimize-latency", "rate": "300/s"}, "as fast (p99 at 300", "speed at 300 requests/s"),
    "weighted": (
        {"goal": "weighted", "weights": {"cost": 0.7, "latency": 0.3}, "rate": "300/s"},
        "weighted goal (cost 0.7, latency 0.3)",
        "by the weighted goal within p99 ≤ 50 ms",
    ),
    "pareto": ({"goal": "pareto", "of": ["capacity", "cost"]}, "pareto goal (capacity, cost)", "by the pareto goal"),
}


def measured_at_rate(trial: Trial) -> Trial:
    if not isinstance(trial.outcome, Completed):
        return trial
    measurement = trial.outcome.measurement
    at_rate = measurement.model_copy(update={"at_rate": measurement.curve[2]})
    return trial.model_copy(update={"outcome": Completed(measurement=at_rate)})


@pytest.fixture(params=GOALS)
def goal(request: pytest.FixtureRequest, build: Build) -> tuple[str, ReportInput]:
    report = build()
    assert isinstance(report.recommendation, Propose)
    comparison = report.recommendation.comparison.model_copy(update={"metric": request.param})
    objective = Objective.model_validate(GOALS[request.param][0])
    made = build(
        spec=report.spec.model_copy(update={"objective": objective}),
        recommendation=Propose(comparison=comparison, reason="better with 95 % confidence"),
    )
    return request.param, made.model_copy(update={"trials": tuple(measured_at_rate(trial) for trial in made.trials)})


def test_the_headline_names_the_goal(goal: tuple[str, ReportInput]) -> None:
    name, report = goal
    assert GOALS[name][1] in headline(report)
    assert GOALS[name][2] in title(report)
    assert len(title(report)) <= 72


def test_the_best_trial_is_the_best_by_the_goal(goal: tuple[str, ReportInput]) -> None:
    name, report = goal
    values = {trial.number: found.value for trial in report.trials if (found := reading(report, trial)) is not None}
    wanted = max if name in {"capacity", "pareto"} else min
    plot = progress_plot(report)
    assert plot is not None
    named = re.search(r"The best is trial (\d+)", plot.description)
    assert named is not None
    assert values[int(named[1])] == wanted(values.values())


def test_the_runner_up_is_the_next_best_by_the_whole_goal(goal: tuple[str, ReportInput]) -> None:
    name, report = goal
    taken = {report.baseline, *(trial.workload for trial in report.trials if trial.number == 11)}
    merits = {
        trial.number: merit
        for trial in report.trials
        if trial.workload not in taken and (merit := merit_of(report, trial)) is not None
    }
    (row,) = runners_up(report)
    assert row.trial == max(merits, key=lambda number: merits[number])
    assert ("as good as the proposed one" in row.difference) == (name in {"weighted", "pareto"})


def test_a_trial_that_was_better_than_the_baseline_is_not_said_to_be_no_better(build: Build) -> None:
    reason = "keep the baseline: the candidate failed in block 3: died"
    failed = Candidate(trial=11, comparison=None, comparison_record=51, reason=reason)
    report = build("keep", recommendation=KeepBaseline(reason=reason), candidates=(failed,))
    first, second = runners_up(report)
    assert (first.trial, first.difference, first.decided) == (11, "not confirmed", reason)
    assert "of the baseline" in second.difference
    assert second.decided == "better in the search, and not confirmed"


def test_body_and_page_can_be_made(goal: tuple[str, ReportInput]) -> None:
    name, report = goal
    assert headline(report) in body(report, ())
    made = page(report, ())
    assert ("p99 latency</th>" in made) == (name == "latency")
    assert ("USD per million</th>" in made) == (name in {"cost", "weighted"})
