"""The benchmark of decisions measures allowed ones, on inputs that both engines answer alike."""

from __future__ import annotations

import pytest

from bench.decision import INPUTS, interval_of
from tuner.policy.decision import point_of
from tuner.policy.model import PolicyEngine


@pytest.mark.parametrize("point", INPUTS)
def test_its_inputs_are_allowed_by_every_package_of_their_point(default_engine: PolicyEngine, point: str) -> None:
    verdict = default_engine.decide(INPUTS[point])
    assert point_of(INPUTS[point]) == point
    assert verdict.allow
    assert verdict.warnings == ()
    assert len(verdict.packages) >= 4


def test_an_interval_holds_its_percentile_and_is_as_wide_as_the_rounds_differ() -> None:
    alike = [[float(value) for value in range(100)]] * 10
    low, high = interval_of(alike, 99)
    assert low == high == pytest.approx(98.01, abs=0.1)
    disturbed = [*alike[:9], [value * 10 for value in alike[0]]]
    low, high = interval_of(disturbed, 50)
    assert low == pytest.approx(49.5, abs=3)
    assert high > 51
