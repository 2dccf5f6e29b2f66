"""Several trials at once: each proposal counts on what the pending ones are expected to bring."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tuner.engine.workload import Resources
from tuner.search.aiming import aim_of, tried_in
from tuner.search.coordinates import Coordinates
from tuner.search.learner import Learner
from tuner.search.objective import Goal
from tuner.search.storage import sqlite_url
from tuner.search.study import Proposal, Search
from tuner.space.assignment import Assignment
from tuner.space.space import Space
from tuner.spec.model import Search as Settings
from tuner.trial.outcome import Completed, Outcome, Trial

TrialOf = Callable[[int, Assignment, Outcome], Trial]
Outcomes = Callable[[Assignment], Outcome]
SETTINGS = Settings.model_validate({"sampler": "tuner"})


@pytest.fixture
def search(wide: Space, goal: Goal, tmp_path: Path) -> Iterator[Search]:
    with Search.open(wide, SETTINGS, goal, sqlite_url(tmp_path / "study.db"), "parallel", budget=40) as opened:
        opened.enqueue(wide.defaults(), "baseline")
        yield opened


@pytest.fixture
def tell(search: Search, trial_of: TrialOf, completed: Outcomes, one_core: Resources) -> Callable[[Proposal], None]:
    def told(proposal: Proposal) -> None:
        trial = trial_of(proposal.number, proposal.assignment, completed(proposal.assignment))
        search.tell(trial, one_core)

    return told


def asked(search: Search, count: int) -> list[Proposal]:
    found = [search.ask() for _ in range(count)]
    proposals = [one for one in found if isinstance(one, Proposal)]
    assert len(proposals) == count
    return proposals


def test_proposals_that_are_asked_for_together_differ(search: Search, tell: Callable[[Proposal], None]) -> None:
    for _ in range(3):
        batch = asked(search, 4)
        assert len({one.assignment for one in batch}) == 4
        assert len({one.number for one in batch}) == 4
        for proposal in reversed(batch):  # whichever ends first
            tell(proposal)
    tried = [entry.assignment for entry in search.history()]
    assert len(set(tried)) == len(tried) == 12
    assert all(entry.status == "completed" for entry in search.history())


def test_a_pending_trial_moves_the_next_one_away_from_it(
    search: Search, tell: Callable[[Proposal], None], wide: Space, goal: Goal
) -> None:
    """Not the second best of the same belief, which may lie right beside the best: what is there will be known."""
    learner = Learner(wide, aim_of(goal, lambda _: 1.0), seed=SETTINGS.seed)
    coordinates = Coordinates(wide)
    apart, beside = [], []
    for _ in range(8):
        tried = tried_in(search.history())
        first, second = asked(search, 2)
        other = learner.choose(tried, but=[first.assignment])
        assert other is not None
        places = coordinates.of([first.assignment, second.assignment, other.assignment])
        apart.append(float(np.linalg.norm(places[1] - places[0])))
        beside.append(float(np.linalg.norm(places[2] - places[0])))
        tell(first)
        tell(second)
    assert sum(apart) > sum(beside)


def test_batches_of_three_find_as_good_a_configuration_in_a_third_of_the_rounds(
    search: Search, tell: Callable[[Proposal], None], wide: Space, goal: Goal, completed: Outcomes
) -> None:
    def capacity(outcome: Outcome) -> float:
        assert isinstance(outcome, Completed)
        assert outcome.measurement.capacity is not None
        return outcome.measurement.capacity.rate.value

    for _ in range(7):
        for proposal in asked(search, 3):
            tell(proposal)
    best = max(capacity(completed(one)) for one in wide.feasible())
    found = max(entry.metrics.capacity for entry in search.history() if entry.metrics is not None)
    assert found >= 0.95 * best
