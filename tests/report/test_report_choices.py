"""Tables of several answers: one configuration for each band of arrival rates, and the Pareto set with its knee."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tuner.measurement.model import Interval
from tuner.recommendation.bands import Band
from tuner.recommendation.front import FrontPoint
from tuner.recommendation.model import Propose
from tuner.report.band import band_words
from tuner.report.body import body
from tuner.report.headline import headline, title
from tuner.report.metric import metric_words, reading
from tuner.report.model import ReportInput
from tuner.report.page import page
from tuner.spec.model import Objective

Build = Callable[..., ReportInput]


def band(report: ReportInput, above: float, up_to: float, number: int, **facts: Any) -> Band:
    trial = next(each for each in report.trials if each.number == number)
    known = {
        "above": above,
        "up_to": up_to,
        "today": False,
        "standing": "measured",
        "reason": "trial 7, the next best, costs 33% more (4 replicas), whatever the intervals allow",
        "trial": number,
        "assignment": trial.assignment,
        "workload": trial.workload,
        "capacity": Interval(value=1200.0, low=1100.0, high=1300.0),
        "replicas": 2,
        "hourly": 0.0758,
        "bill": Interval(value=0.1516, low=0.0758, high=0.1516),
        "baseline_replicas": 4,
        "baseline_bill": 0.3032,
    }
    return Band.model_validate({**known, **facts})


@pytest.fixture
def banded(build: Build) -> ReportInput:
    """Two bands with one winner, which is that of today, and a third with another."""
    report = build()
    assert isinstance(report.recommendation, Propose)
    comparison = report.recommendation.comparison.model_copy(update={"metric": "fleet", "rate": 2500.0})
    objective = Objective.model_validate({"bands": ["100/s", "2500/s", "9000/s"]})
    bands = (
        band(report, 0.0, 100.0, 11, replicas=1),
        band(report, 100.0, 2500.0, 11, today=True, standing="confirmed"),
        band(report, 2500.0, 9000.0, 2, replicas=9),
    )
    return build(
        spec=report.spec.model_copy(update={"objective": objective}),
        recommendation=Propose(comparison=comparison, reason="better with 95 % confidence"),
        bands=bands,
    )


def test_adjacent_bands_with_the_same_winner_are_told_in_one_phrase(banded: ReportInput) -> None:
    words = band_words(banded)
    assert words.startswith(
        "The winner changes once. Up to 2500 requests/s: trial 11 (instances=2 max_batch_size=32), "
    )
    assert ", 1 to 2 replicas; 2500 to 9000: trial 2 (" in words


def test_the_table_has_a_row_for_each_band(banded: ReportInput) -> None:
    text = body(banded, ())
    rows = [line for line in text.splitlines() if line.startswith(("| up to 100", "| 100 to", "| 2,500 to"))]
    assert len(rows) == 3
    assert (
        "| 100 to 2,500 (today) | trial 11 `instances=2 max_batch_size=32` | 2 | 0.152 USD (at least 0.0758 USD) |"
        in rows[1]
    )
    assert "| 4 for 0.303 USD |" in rows[1]
    assert "confirmed against the baseline" in rows[1]
    assert "measured in one trial, not confirmed" in rows[2]
    shown = page(banded, ())
    assert shown.count('<span class="quiet">today</span>') == 1
    assert band_words(banded) in shown
    assert "For each band of arrival rates" not in body(banded.model_copy(update={"bands": ()}), ())


def test_the_headline_says_for_which_traffic_it_holds(banded: ReportInput) -> None:
    assert "as many requests per USD at up to 2,500 requests/s within" in headline(banded)
    assert title(banded).endswith("requests per USD up to 2,500/s")
    assert metric_words(banded) == "an hour of all replicas for up to 2,500 requests/s (USD)"


def test_a_trial_is_read_as_the_money_for_whole_replicas(banded: ReportInput) -> None:
    trial = next(each for each in banded.trials if each.number == 11)
    found = reading(banded, trial)
    assert found is not None
    replicas = found.value / 0.0758
    assert replicas == pytest.approx(round(replicas))


def test_a_band_that_nothing_serves_says_why(banded: ReportInput) -> None:
    none = Band(above=0.0, up_to=100.0, today=True, standing="none", reason="nothing was measured within the SLO")
    report = banded.model_copy(update={"bands": (none,)})
    assert "One configuration" not in body(report, ()) or "none, as nothing was measured" in body(report, ())
    assert "| up to 100 (today) | – | – | – | – | – | none: nothing was measured within the SLO |" in body(report, ())


def test_the_knee_of_a_pareto_set_is_named_first(build: Build) -> None:
    report = build()
    points = tuple(
        FrontPoint(
            trial=number,
            assignment=next(trial.assignment for trial in report.trials if trial.number == number),
            values={"cost": cost, "latency": latency},
            knee=number == 11,
            baseline=number == 0,
        )
        for number, cost, latency in ((0, 0.04, 0.010), (2, 0.01, 0.045), (11, 0.018, 0.016))
    )
    objective = Objective.model_validate({"goal": "pareto", "of": ["cost", "latency"], "rate": "300/s"})
    made = build(spec=report.spec.model_copy(update={"objective": objective}), front=points)
    text = body(made, ())
    assert (
        "**Pareto set:** 3 configurations; the knee is trial 11, where the product of the improvements is largest."
        in text
    )
    assert "| configuration | a million requests | p99 at 300 requests/s | source |" in text
    first = text.index("| trial 11 **(knee)** `instances=2 max_batch_size=32` | 0.0180 USD | 16.0 ms |")
    assert first < text.index("| baseline | 0.0400 USD | 10.0 ms |")
    shown = page(made, ())
    assert shown.count('<strong class="good">knee</strong>') == 1
    assert "Pareto set" not in page(report, ())
