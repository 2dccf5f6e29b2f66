"""The machine's speed over whole campaigns in simulated time, and how the ledger remembers it."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from tuner.campaign import machine
from tuner.campaign.event import Event, MachineChecked, TrialFinished, event_of
from tuner.campaign.journal import Journal, progress_of
from tuner.campaign.machine import MachineWatch, look, to_repeat
from tuner.campaign.observer import Silent
from tuner.campaign.progress import Progress
from tuner.campaign.session import Session
from tuner.engine.workload import Resources, Workload
from tuner.errors import TemporaryError
from tuner.measurement.drift import AGAIN
from tuner.measurement.model import Capacity, Interval, Measurement
from tuner.space.assignment import Assignment
from tuner.trial.outcome import Completed, Failed, FailureKind, Inconclusive, Outcome, Trial
from tuner.trial.reference import ReferenceLoad, ReferenceRun

ROOT = Path(__file__).resolve().parents[2]
CAPACITY = Capacity(rate=Interval(value=100.0, low=95.0, high=105.0))
MEASURED = Completed(measurement=Measurement(capacity=CAPACITY, curve=(), warm_up=0.0, elapsed=1.0))
TRIAL = 20.0
"""Seconds."""
TRIALS = 40
Noise = Callable[[random.Random], float]


def trial(number: int, setting: int | None = None, outcome: Outcome = MEASURED) -> Trial:
    assignment = Assignment({"instances": number if setting is None else setting})
    return Trial(number=number, assignment=assignment, workload="", outcome=outcome, started=0.0, ended=TRIAL)


def exactly(speed: float) -> Interval:
    return Interval(value=speed, low=speed, high=speed)


@dataclass
class Simulated:
    """A machine with a clock; its speed at a time, times noise, is what a reference says."""

    speed: Callable[[float], float]
    noise: Noise
    source: random.Random
    now: float = 0.0

    def take(self) -> Interval:
        self.now += 0.2
        return exactly(1000.0 * self.speed(self.now) * math.exp(self.noise(self.source)))

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Campaign:
    """What the search does with the looks: each trial again that is to be repeated, until the trials are used."""

    machine: Simulated
    progress: Progress = field(default_factory=Progress)
    ran: dict[int, tuple[float, float]] = field(default_factory=dict)
    """When each trial ran."""

    def run(self) -> Campaign:
        self._look()
        waiting = list(range(TRIALS))
        number = 0
        while waiting:
            setting, began = waiting.pop(0), self.machine.now
            self.machine.now += TRIAL
            self.ran[number] = began, self.machine.now
            self.progress = self.progress.after(TrialFinished(trial=trial(number, setting)))
            self._look()
            if number in self.progress.repeated:
                waiting.insert(0, setting)
            number += 1
        return self

    def _look(self) -> None:
        machine, spoilt = self.machine, to_repeat(self.progress)
        found = look(
            machine.take, self.progress.level, looks=TRIALS, patience=TRIAL if spoilt else 0.0, sleep=machine.sleep
        )
        again = tuple(each.number for each in spoilt) if found.change is not None else ()
        self.progress = self.progress.after(
            found.model_copy(update={"trials": self.progress.unchecked, "repeated": again})
        )


def steady(_: float) -> float:
    return 1.0


def quiet(source: random.Random) -> float:
    return source.gauss(0, 0.01)


def heavy(source: random.Random) -> float:
    return 0.02 * source.gauss(0, 1) / math.sqrt(source.gammavariate(1.5, 1 / 1.5))


def one_sided(source: random.Random) -> float:
    return -source.expovariate(1 / 0.04)


def spiky(source: random.Random) -> float:
    return source.gauss(0, 0.01) - 0.3 * (source.random() < 0.05)


def rough(source: random.Random) -> float:
    return source.gauss(0, 0.10)


@pytest.mark.parametrize("noise", [quiet, heavy, one_sided, spiky, rough])
def test_noise_alone_repeats_a_trial_in_at_most_one_campaign_of_a_hundred(noise: Noise) -> None:
    campaigns = 200
    marked = sum(
        bool(Campaign(Simulated(steady, noise, random.Random(seed))).run().progress.repeated)
        for seed in range(campaigns)
    )
    assert marked <= 0.01 * campaigns + 2  # a count of 2 is expected at most, and has its own noise


@pytest.mark.parametrize("factor", [0.6, 0.8])
def test_a_slow_minute_repeats_the_trials_in_which_it_began_and_ended_and_no_other(factor: float) -> None:
    """Shorter than the trial that it spoiled is worth, it is waited for; a longer one is a level of its own."""
    for seed in range(20):
        begin = 312 + 0.2 * seed
        short = Campaign(Simulated(lambda t: factor if begin < t < begin + 20 else 1.0, quiet, random.Random(seed)))  # noqa: B023
        spoilt = tuple(n for n, (began, ended) in short.run().ran.items() if began < begin < ended)
        assert tuple(short.progress.repeated) == spoilt
        (check,) = [check for check in short.progress.checks if check.change is not None]
        assert check.level == "regained"
        assert check.change is not None
        assert check.change.low < factor - 1 < check.change.high

        long = Campaign(Simulated(lambda t: factor if begin < t < begin + 100 else 1.0, quiet, random.Random(seed)))  # noqa: B023
        edges = (begin, begin + 100)
        spoilt = tuple(n for n, (b, e) in long.run().ran.items() if any(b < edge < e for edge in edges))
        assert tuple(sorted(long.progress.repeated)) == spoilt


def test_a_machine_that_is_slower_for_good_costs_one_repetition() -> None:
    campaign = Campaign(Simulated(lambda now: 0.7 if now > 500 else 1.0, quiet, random.Random(5))).run()
    assert len(campaign.progress.repeated) == 1
    assert campaign.progress.level is not None
    assert campaign.progress.level.speed == pytest.approx(700, rel=0.03)


def checked(*, trials: tuple[int, ...] = (), repeated: tuple[int, ...] = (), value: float = -0.2) -> MachineChecked:
    return MachineChecked(
        references=(exactly(800.0),) * AGAIN,
        level="begun",
        trials=trials,
        repeated=repeated,
        change=Interval(value=value, low=value - 0.03, high=value + 0.03),
        reason="the machine changed speed by -20 % (-23 to -17 %) while it ran",
    )


def folded(*events: Event) -> Progress:
    progress = Progress()
    for event in events:
        progress = progress.after(event)
    return progress


def test_a_repeated_trial_is_inconclusive_and_keeps_what_was_measured() -> None:
    progress = folded(
        TrialFinished(trial=trial(0)), TrialFinished(trial=trial(1)), checked(trials=(0, 1), repeated=(1,))
    )
    outcome = progress.trials[1].outcome
    assert isinstance(outcome, Inconclusive)
    assert outcome.reason == "the machine changed speed by -20 % (-23 to -17 %) while it ran"
    assert outcome.measurement == MEASURED.measurement
    assert progress.trials[0].outcome == MEASURED
    assert progress.repeated == {1}
    assert set(progress.changes) == {0, 1}
    assert progress.unchecked == ()


def test_a_configuration_is_repeated_once() -> None:
    spoilt = folded(TrialFinished(trial=trial(3)), checked(trials=(3,), repeated=(3,)))
    again = spoilt.after(TrialFinished(trial=trial(4, setting=3)))
    assert again.unchecked == (4,)
    assert to_repeat(again) == ()
    other = again.after(TrialFinished(trial=trial(5)))
    assert [each.number for each in to_repeat(other)] == [5]


@pytest.mark.parametrize("kind", FailureKind)
def test_a_failure_is_repeated_only_where_a_slow_machine_may_have_made_it(kind: FailureKind) -> None:
    progress = folded(TrialFinished(trial=trial(0, outcome=Failed(failure=kind, reason="why"))))
    by_speed = kind in (FailureKind.INFEASIBLE, FailureKind.TIMEOUT, FailureKind.START_TIMEOUT)
    assert bool(to_repeat(progress)) is by_speed


def test_a_chain_without_any_look_folds_as_before() -> None:
    progress = folded(TrialFinished(trial=trial(0)))
    assert (progress.level, progress.checks, progress.repeated) == (None, (), frozenset())
    old = {"outcome": {"kind": "inconclusive", "reason": "late"}, "number": 1, "workload": "", "started": 0, "ended": 1}
    event = event_of("trial-finished", {"trial": {**old, "assignment": {"instances": 1}}})
    assert isinstance(event, TrialFinished)
    assert event.trial.outcome == Inconclusive(reason="late")


def test_a_look_survives_the_ledger() -> None:
    event = checked(trials=(1,), repeated=(1,))
    body = json.loads(event.model_dump_json(exclude={"kind"}))
    assert event_of("machine-checked", body) == event


def test_the_campaigns_that_were_published_before_fold_as_they_did() -> None:
    chains = [*ROOT.glob("audit/*/*.jsonl"), *ROOT.glob("docs/examples/**/*.jsonl")]
    assert chains
    for chain in chains:
        progress = progress_of(chain.read_bytes())
        assert progress.intended is not None or progress.ended is not None
        assert progress.trials
        assert all(trial.outcome is not None for trial in progress.trials.values())
        assert progress.checks or progress.level is None


@dataclass
class Load:
    """A reference load that says what it is told, or fails."""

    speeds: list[float | None]

    def run(self) -> ReferenceRun:
        speed = self.speeds.pop(0) if len(self.speeds) > 1 else self.speeds[0]
        if speed is None:
            raise TemporaryError("the reference load was killed")
        return ReferenceRun(speed=exactly(speed), seconds=0.0, cores=1)


@dataclass
class Place:
    """The part of a backend that the watch asks for."""

    load: Load
    opened: int = 0
    closed: int = 0

    @contextmanager
    def reference(self, _: Resources) -> Iterator[ReferenceLoad]:
        self.opened += 1
        try:
            yield self.load
        finally:
            self.closed += 1


@dataclass
class Live:
    """The part of a session that the watch works with; a whole one needs a repository and a model."""

    journal: Journal
    inputs: SimpleNamespace
    backend: Place

    @property
    def progress(self) -> Progress:
        return self.journal.progress


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[MachineWatch, Place]]]:
    """A watch over a real ledger, with a baseline and one trial in it, on a machine of these speeds."""
    monkeypatch.setattr(machine, "_APART", 0.0)
    monkeypatch.setattr(machine, "_PATIENCE", 0.0)
    with Journal.open(tmp_path / "ledger.jsonl", "campaign", Silent()) as journal:

        def make(*speeds: float | None) -> tuple[MachineWatch, Place]:
            place = Place(Load(list(speeds)))
            budget = SimpleNamespace(trials=TRIALS)
            inputs = SimpleNamespace(
                baseline=Assignment({}),
                workload=lambda _: Workload(image="example/server:1"),
                spec=SimpleNamespace(budget=budget),
            )
            return MachineWatch(cast("Session", Live(journal, inputs, place))), place

        yield make


Watch = Callable[..., tuple[MachineWatch, Place]]


def short(number: int) -> TrialFinished:
    return TrialFinished(trial=trial(number).model_copy(update={"ended": 0.0}))


@pytest.mark.parametrize("allowed", [True, False])
def test_what_the_budget_does_not_allow_is_not_repeated_and_counts(watch: Watch, allowed: bool) -> None:
    watched, _ = watch(1000.0, 1000.0, 1000.0, 400.0)
    watched.check(lambda _: True)
    watched.session.journal.record(short(0))
    watched.check(lambda _: allowed)
    progress = watched.session.progress
    assert progress.repeated == ({0} if allowed else set())
    assert set(progress.changes) == {0}
    assert isinstance(progress.trials[0].outcome, Inconclusive if allowed else Completed)


def test_a_block_is_marked_and_never_repeated(watch: Watch) -> None:
    watched, _ = watch(1000.0, 1000.0, 1000.0, 400.0)
    watched.check(lambda _: True)
    watched.check_block(7, 2)
    (_, check) = watched.session.progress.checks
    assert (check.block, check.repeated, check.trials) == ((7, 2), (), ())
    assert check.change is not None


def test_a_reference_that_cannot_run_is_no_finding_and_is_started_again(watch: Watch) -> None:
    watched, place = watch(1000.0, 1000.0, 1000.0, None, 1001.0)
    watched.check(lambda _: True)
    watched.session.journal.record(short(0))
    watched.check(lambda _: True)
    assert len(watched.session.progress.checks) == 1
    assert list(watched.session.progress.unchecked) == [0]
    assert (place.opened, place.closed) == (1, 1)
    watched.check(lambda _: True)
    assert list(watched.session.progress.unchecked) == []
    watched.close()
    assert (place.opened, place.closed) == (2, 2)
