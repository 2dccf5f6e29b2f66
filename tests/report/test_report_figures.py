"""Plots: valid SVG, readable in both schemes, said in words, equal for equal input."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from xml.etree import ElementTree

import numpy as np
import pytest

from tuner.load.histogram import encode_seconds
from tuner.load.protocol import LoadResult
from tuner.recommendation.model import KeepBaseline
from tuner.report.document import render
from tuner.report.figure.importance import importance_plot
from tuner.report.figure.latency import latency_plot
from tuner.report.figure.progress import progress_plot
from tuner.report.model import Importance, ReportInput
from tuner.report.quantile import quantile_interval
from tuner.trial.outcome import Completed, Errored

Build = Callable[..., ReportInput]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def figures(build: Build) -> dict[str, bytes]:
    return dict(render(build()).figures)


def test_there_is_one_for_each_question(figures: dict[str, bytes]) -> None:
    assert sorted(figures) == ["cost.svg", "importance.svg", "latency.svg", "progress.svg"]


def test_they_stand_alone_in_both_schemes(figures: dict[str, bytes]) -> None:
    for raw in figures.values():
        root = ElementTree.fromstring(raw)
        title, desc, style, paper = list(root)[:4]
        assert [title.tag, desc.tag, style.tag, paper.tag] == [
            f"{SVG}{tag}" for tag in ("title", "desc", "style", "rect")
        ]
        assert title.text
        assert len(desc.text or "") > 40
        assert "prefers-color-scheme:dark" in (style.text or "")
        assert "--paper" in (paper.get("style") or "")


def test_they_load_nothing_and_carry_no_date(figures: dict[str, bytes]) -> None:
    for raw in figures.values():
        text = raw.decode()
        assert not re.search(r'(?:href|src)="(?!#)', text)
        assert "metadata" not in text
        assert not re.search(r"\b20\d\d-\d\d", text)
        assert not re.search(r"#0\d0\d0\d", text)  # no stand-in colour is left


def test_words_are_text_and_not_outlines(figures: dict[str, bytes]) -> None:
    def words(name: str) -> str:
        return " ".join(each.text or "" for each in ElementTree.fromstring(figures[name]).iter(f"{SVG}text"))

    assert "SLO 50 ms" in words("latency.svg")
    assert "baseline (trial 0)" in words("latency.svg")
    assert "candidate (trial 11)" in words("latency.svg")
    assert "best so far" in words("progress.svg")
    assert "out of memory (2)" in words("progress.svg")
    assert "max_batch_size" in words("importance.svg")
    assert "a month" in words("cost.svg")


def test_the_description_says_what_the_plot_shows(build: Build) -> None:
    plot = latency_plot(build())
    assert plot is not None
    assert "p99 ≤ 50 ms" in plot.description
    assert re.search(r"baseline \(trial 0\): within the SLO up to 1,0\d0 \(\d+–1,0\d0\) requests/s", plot.description)


def test_a_plot_without_data_is_left_out(build: Build) -> None:
    report = build()
    failed = tuple(trial.model_copy(update={"outcome": Errored(reason="no port")}) for trial in report.trials)
    empty = build(
        "keep", trials=36, recommendation=KeepBaseline(reason="nothing ran"), candidates=(), importance=None, costs={}
    ).model_copy(update={"trials": failed})
    made = render(empty)
    assert made.figures == {}
    assert "no port" in made.page
    assert "0 measured" not in made.body


def test_one_trial_is_enough(build: Build) -> None:
    report = build("keep")
    only = build("keep", trials=36, recommendation=KeepBaseline(reason="only one"), candidates=())
    plot = progress_plot(only.model_copy(update={"trials": report.trials[:1]}))
    assert plot is not None
    assert "1 trials with a value" in plot.description or "1 trial with a value" in plot.description


def test_failed_trials_are_in_no_line(build: Build) -> None:
    report = build()
    plot = progress_plot(report)
    completed = sum(isinstance(trial.outcome, Completed) for trial in report.trials)
    assert plot is not None
    assert f"{completed} trials with a value, {len(report.trials) - completed} without" in plot.description


def test_a_hostile_name_is_only_a_label() -> None:
    name = "<b>$x^2$ #010101 \u202e url(#x)"
    plot = importance_plot(Importance(shares={name: 0.6, "plain": 0.4}, method="<i>"))
    assert plot is not None
    root = ElementTree.fromstring(plot.file)
    labels = [each.text or "" for each in root.iter(f"{SVG}text")]
    assert any(label.startswith("<b>$x^2$ #010101 ⟨U+202E⟩") for label in labels)
    assert not list(root.iter(f"{SVG}b"))


def result_of(latencies: list[float]) -> LoadResult:
    count = len(latencies)
    return LoadResult(
        planned=count, scheduled=count, answered=count, over=(0,), histogram=encode_seconds(np.array(latencies)),
        lateness=encode_seconds(np.array([0.001])), offered_rate=1, answered_rate=1, elapsed=1,
    )  # fmt: skip


@pytest.mark.parametrize(("percentile", "truth"), [(50, 0.01 * 0.6931), (90, 0.01 * 2.3026), (99, 0.01 * 4.6052)])
def test_the_interval_of_a_percentile_covers_it_as_often_as_it_says(percentile: float, truth: float) -> None:
    chance = random.Random(20)
    covered = 0
    for _ in range(150):
        interval = quantile_interval(result_of([chance.expovariate(100) for _ in range(1500)]), percentile, 0.95)
        assert interval is not None
        covered += interval[0] * 0.999 <= truth <= interval[1] * 1.001
    assert covered >= 150 * 0.95 - 3 * (150 * 0.95 * 0.05) ** 0.5


def test_no_answers_give_no_interval() -> None:
    assert quantile_interval(result_of([]), 99, 0.95) is None
