"""Which parameters matter, and what speaks against a configuration."""

from __future__ import annotations

import numpy as np
import pytest

from tests.search.surfaces import AIM, ALL, SERVICES, SPACE, START, Imaginary
from tuner.search.effects import effects_of
from tuner.search.learner import Learner

SERVICE = Imaginary("new", 0.007, 0.0013)


def test_what_changes_nothing_has_no_share() -> None:
    merit = np.array([float(one["batch"]) for one in ALL])
    effects = effects_of(SPACE.parameters, ALL, merit)
    assert effects.alone == pytest.approx({"batch": 1.0, "share": 0.0, "quota": 0.0})
    assert max(effects.pairs.values()) == pytest.approx(0.0)


def test_a_pair_that_only_matters_together_is_found() -> None:
    """Good where batch and quota are both high, or both low."""
    merit = np.array([float((int(one["batch"]) > 2) == (int(one["quota"]) > 60)) for one in ALL])
    effects = effects_of(SPACE.parameters, ALL, merit)
    assert max(effects.pairs, key=lambda pair: effects.pairs[pair]) == ("batch", "quota")


def test_a_flat_space_has_no_effects() -> None:
    assert set(effects_of(SPACE.parameters, ALL, np.ones(len(ALL))).alone.values()) == {0.0}


def test_why_not_says_what_speaks_against_it() -> None:
    learner = Learner(SPACE, AIM, [service.earlier() for service in SERVICES])
    tried = [SERVICE.tried(one) for one in (START, *ALL[::23])]
    for _ in range(8):
        choice = learner.choose(tried)
        assert choice is not None
        tried.append(SERVICE.tried(choice.assignment))
    best = max((one.assignment for one in tried), key=SERVICE.merit)
    assert learner.why_not(tried, best).behind == pytest.approx(0.0, abs=0.02)
    slow = next(one for one in ALL if SERVICE.latency(one) > 0.1)
    assert learner.why_not(tried, slow).holds < 0.1
    assert "limit" in learner.why_not(tried, slow).reason
    worse = learner.why_not(tried, START)
    assert worse.behind is not None
    assert worse.behind == pytest.approx(SERVICE.merit(best) - SERVICE.merit(START), rel=0.1)
    assert "below the best" in worse.reason


def test_effects_of_a_service_name_its_parameters() -> None:
    learner = Learner(SPACE, AIM)
    tried = [SERVICE.tried(one) for one in ALL[::9]]
    effects = learner.effects(tried)
    assert set(effects.alone) == {"batch", "share", "quota"}
    assert 0.5 <= sum(effects.alone.values()) + sum(effects.pairs.values()) <= 1.001
