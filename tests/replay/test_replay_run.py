"""Searches on recorded data: every strategy keeps the same rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice

import pytest

from tuner.errors import UserError
from tuner.replay.advice import Adviser
from tuner.replay.prior import others
from tuner.replay.recording import Noise, Recording, recording_of
from tuner.replay.run import best_measured, nearest_miss, plateau, replay
from tuner.replay.strategy import SAMPLERS, strategy_named, tuner_sampler
from tuner.replay.table import Table

SILENT = Noise(0.0, 0)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_strategy_begins_with_the_start_and_stays_in_the_space(name: str, recording: Recording) -> None:
    steps = list(islice(replay(recording, strategy_named(name, recording, seed=1, trials=12), SILENT), 12))
    assert steps[0].assignment == recording.start
    assert [step.number for step in steps] == list(range(1, 13))
    assert all(recording.space.contains(step.assignment) for step in steps)
    assert len({step.assignment for step in steps}) == 12


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_strategy_begins_by_itself_where_there_is_no_start(name: str, recording: Recording) -> None:
    free = replace(recording, start=None)
    steps = list(islice(replay(free, strategy_named(name, free, seed=1, trials=12), SILENT), 12))
    assert len({step.assignment for step in steps}) == 12
    assert all(free.space.contains(step.assignment) for step in steps)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_strategy_ends_when_everything_was_tried(name: str, read: Callable[..., Recording]) -> None:
    rows = "".join(f"m,{batch},{share},{50 / share}\n" for batch, share in ((1, 10), (1, 20), (2, 20)))
    recording = read(f"model,batch,share,latency_ms\n{rows}", ("start:", "missing: absent\nstart:"))
    steps = list(replay(recording, strategy_named(name, recording, seed=0, trials=10), SILENT))
    assert {step.assignment for step in steps} == set(recording.candidates)


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_same_seed_makes_the_same_search(name: str, recording: Recording) -> None:
    def tried(seed: int) -> list[object]:
        strategy = strategy_named(name, recording, seed=seed, trials=8)
        return [step.tried for step in islice(replay(recording, strategy, Noise(0.05, seed)), 8)]

    assert tried(3) == tried(3)


@pytest.mark.parametrize("name", SAMPLERS)
def test_failed_trials_are_borne(name: str, read: Callable[..., Recording]) -> None:
    rows = "".join(f"m,{batch},{share},{90 / share}\n" for batch in (1, 2, 4) for share in (10, 20, 50) if batch < 4)
    recording = read(f"model,batch,share,latency_ms\n{rows}m,4,50,1\n")
    steps = list(islice(replay(recording, strategy_named(name, recording, seed=0, trials=9), SILENT), 9))
    assert {step.worth is None for step in steps} >= {False}
    assert all((step.tried.outcome == "failed") == (step.merit is None) for step in steps)


def test_an_unknown_sampler_is_named(recording: Recording) -> None:
    with pytest.raises(UserError, match="there is no sampler 'best'"):
        strategy_named("best", recording, seed=0, trials=5)


def test_truth_and_measurement_are_told_apart(recording: Recording) -> None:
    steps = list(islice(replay(recording, strategy_named("grid", recording, seed=0, trials=20), Noise(1.0, 1)), 20))
    assert any(step.holds != (step.worth is not None) for step in steps)
    for step in steps:
        assert step.worth == recording.worth(step.assignment)
    best = best_measured(steps)
    assert best is not None
    assert best.merit == max(step.merit for step in steps if step.holds and step.merit is not None)


def test_the_nearest_miss_is_named_where_nothing_holds(table: Table) -> None:
    tight = Table(table.file, table.descriptor.limited(0.5), table.services, table.values)
    recording = recording_of(tight, "large")
    steps = list(islice(replay(recording, strategy_named("grid", recording, seed=0, trials=20), SILENT), 20))
    found = nearest_miss(recording, steps)
    assert found is not None
    step, over = found
    least = min(cell.values["latency"] for cell in recording.cells.values())
    assert over == pytest.approx(least / 0.5 - 1)
    assert step.tried.readings[0].value == least
    assert best_measured(steps) is None


def test_a_search_that_rests_ends(recording: Recording) -> None:
    resting = plateau(recording, 5)
    steps = list(islice(replay(recording, strategy_named("grid", recording, seed=0, trials=20), SILENT), 20))
    best = best_measured(steps)
    assert best is not None
    reached = next(step.number for step in steps if step.assignment == best.assignment)
    assert resting(steps[:reached]) is None
    if reached + 5 <= len(steps):
        assert resting(steps[: reached + 5]) is not None


def test_the_model_says_when_nothing_can_hold(table: Table) -> None:
    tight = Table(table.file, table.descriptor.limited(0.5), table.services, table.values)
    recording = recording_of(tight, "small1")
    adviser = Adviser(recording, tuner_sampler(recording, others(table.earlier(), "small1", "small")))
    steps = []
    for step in islice(replay(recording, strategy_named("tuner", recording, seed=0, trials=20), SILENT), 20):
        steps.append(step)
        if reason := adviser.hopeless(steps):
            break
    assert reason is not None
    assert "the nearest miss is" in reason
    assert adviser.recommended(steps) is None


def test_the_model_recommends_and_predicts(recording: Recording, table: Table) -> None:
    earlier = others(table.earlier(), "small1", "small")
    adviser = Adviser(recording, tuner_sampler(recording, earlier))
    strategy = strategy_named("tuner", recording, seed=0, trials=12, experience=earlier)
    steps = list(islice(replay(recording, strategy, SILENT), 12))
    chosen = adviser.recommended(steps)
    assert chosen is not None
    assert recording.worth(chosen) == max(step.worth for step in steps if step.worth is not None)
    cells = list(recording.cells)
    for prediction in adviser.predictions(steps, cells):
        expected = prediction.metrics["latency"]
        assert 0 < expected.low <= expected.value <= expected.high
    assert adviser.hopeless(steps) is None
