"""When a machine's speed counts as changed: by real changes, not by noise, and never by one odd reference."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.measurement.drift import AGAIN, MATERIAL, Level, change, odd, percent
from tuner.measurement.model import Interval

LOOKS = 40
speeds = st.floats(1e-3, 1e9)


def level(noise: float = 0.01, count: int = 12, speed: float = 1000.0, seed: int = 1) -> Level:
    source = random.Random(seed)
    return Level(speeds=tuple(speed * math.exp(source.gauss(0, noise)) for _ in range(count)))


def test_a_clear_change_is_told_with_its_interval() -> None:
    found = change(level(), [795.0, 800.0, 805.0], LOOKS)
    assert found is not None
    assert found.low < found.value < found.high < 0
    assert found.value == pytest.approx(-0.2, abs=0.02)
    assert percent(Interval(value=-0.18, low=-0.21, high=-0.15)) == "-18 % (-21 to -15 %)"


@pytest.mark.parametrize(
    "references",
    [
        [500.0, 1001.0, 999.0],  # the two further ones do not bear it out
        [500.0, 2000.0, 500.0],  # they contradict each other
        [990.0, 988.0, 989.0],  # agreed, and too little to matter
    ],
)
def test_what_is_no_change(references: list[float]) -> None:
    assert change(level(noise=0.001), references, LOOKS) is None


def test_a_noisy_machine_needs_a_larger_change() -> None:
    fall = [800.0] * AGAIN
    assert change(level(noise=0.01), fall, LOOKS) is not None
    assert change(level(noise=0.10), fall, LOOKS) is None


def test_a_first_check_alone_tells_only_what_is_large() -> None:
    first = Level(speeds=(1000.0,))
    assert change(first, [850.0] * AGAIN, LOOKS) is None
    assert change(first, [400.0] * AGAIN, LOOKS) is not None


def test_noise_that_was_seen_before_a_change_is_remembered_after_it() -> None:
    noisy, quiet = level(noise=0.2), level(noise=0.005)
    assert noisy.left_for(500.0).noise()[0] > 3 * quiet.left_for(500.0).noise()[0]


def test_one_real_change_does_not_hide_the_next() -> None:
    after = level(noise=0.005).left_for(500.0)
    for seed in range(6):
        after = after.after(500.0 * math.exp(random.Random(seed).gauss(0, 0.005)))
    assert change(after, [1000.0] * AGAIN, LOOKS) is not None


@pytest.mark.parametrize("checks", [1, 2, 3])
def test_a_machine_that_comes_back_at_once_is_noticed(checks: int) -> None:
    fallen = level(noise=0.002, count=checks).left_for(500.0)
    found = change(fallen, [1000.0] * AGAIN, LOOKS)
    assert found is not None
    assert found.value == pytest.approx(1.0, abs=0.02)


def test_many_looks_need_more_than_one() -> None:
    fall = [905.0] * AGAIN
    assert change(level(), fall, 1) is not None
    assert change(level(), fall, 10_000) is None


@given(base=speeds, references=st.lists(st.floats(0.5, 2.0), min_size=AGAIN, max_size=AGAIN), scale=st.floats(0.1, 10))
def test_the_unit_of_speed_is_no_matter(base: float, references: list[float], scale: float) -> None:
    found = change(level(speed=base), [base * each for each in references], LOOKS)
    scaled = change(level(speed=base * scale), [base * scale * each for each in references], LOOKS)
    assert (found is None) == (scaled is None)
    if found is not None and scaled is not None:
        assert scaled.value == pytest.approx(found.value, abs=1e-6)


@given(references=st.lists(speeds, min_size=AGAIN, max_size=AGAIN))
def test_a_change_is_odd_matters_and_excludes_none(references: list[float]) -> None:
    found = change(level(), references, LOOKS)
    if found is not None:
        assert all(odd(level(), each) for each in references)
        assert abs(math.log1p(found.value)) > MATERIAL
        assert found.low > 0 or found.high < 0
