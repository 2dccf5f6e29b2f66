"""The rules of other tools, which ours is compared with, do what their documentation says."""

from __future__ import annotations

import pytest

from bench.load_peers import perf_analyzer, sweep
from bench.load_servers import Case
from bench.load_stall import stalled
from bench.load_trials import Row, coverage_limit, row_of, summary
from tuner.load.simulated import SimulatedServer, Spells

EASY = Case(SimulatedServer(service=0.002), 99.0, 0.02)
TRUE = EASY.truth().rate


def test_perf_analyzer_halves_its_range_until_the_step_is_reached() -> None:
    """Start, end and five halvings of a range of its start's length, three windows of 5 s each at least."""
    for seed in range(5):
        found = perf_analyzer(EASY, TRUE, 0.05, seed)
        assert found.capacity is not None
        assert found.above is not None
        assert found.capacity == pytest.approx(TRUE, rel=0.15)
        assert found.above - found.capacity < 0.05 * TRUE
        assert 7 * 15 <= found.seconds <= 7 * 50
        assert found.seconds % 5 == 0
        assert found.requests > 0.5 * TRUE * found.seconds


def test_perf_analyzer_ends_where_the_start_fails_or_the_end_holds() -> None:
    slow = perf_analyzer(EASY, 4 * TRUE, 0.05, 1)
    assert slow.capacity is None
    assert slow.seconds <= 50
    quick = perf_analyzer(EASY, TRUE / 4, 0.05, 1)
    assert quick.capacity == pytest.approx(TRUE / 4 * 1.4, rel=0.25)
    assert quick.above is None


def test_perf_analyzer_takes_ten_windows_where_nothing_settles() -> None:
    wild = Case(SimulatedServer(service=0.002, spells=Spells(8.0, 0.5, 3.0)), 99.0, 60.0)
    assert perf_analyzer(wild, 150.0, 0.5, 3).seconds > 3 * 15


def test_a_sweep_goes_up_to_the_first_rate_that_does_not_hold() -> None:
    found = sweep(EASY, TRUE, 1)
    assert found.capacity is not None
    assert found.above == pytest.approx(found.capacity * 1.05)
    assert found.capacity == pytest.approx(TRUE, rel=0.15)
    assert found.seconds % 10 == 0
    assert sweep(EASY, 4 * TRUE, 1).capacity is None


def test_a_stall_shows_in_the_open_loop_and_hides_in_the_closed_one() -> None:
    """2 s of 30 s are 7 % of all that comes due; each of ten clients waits for one answer."""
    seen = stalled()
    assert seen.open_loop["p95"] > 1.0
    assert seen.open_loop["p99"] > 1.5
    assert seen.closed_loop["p99"] < 0.01
    assert seen.closed_loop["p99.9"] > 1.5, "its maximum knows"
    assert seen.closed_requests < seen.open_requests


def test_rows_are_repeatable_and_no_two_servers_share_arrivals() -> None:
    once, again, other = (row_of(name, "sweep", 3, 950.0) for name in ("M/D/1", "M/D/1", "M/D/2"))
    assert once == again
    assert once.requests != other.requests


def row(value: float | None, low: float | None, high: float | None) -> Row:
    return Row("M/D/1", "ours", 1, value, low, high, low, 1000, 5.0)


def test_a_run_that_finds_nothing_is_not_covered() -> None:
    told = summary([row(100.0, 95.0, 105.0), row(110.0, 102.0, 115.0), row(None, None, None)], {"M/D/1": 100.0})
    assert (told.runs, told.found, told.covered, told.false_passes) == (3, 2, 1, 1)
    assert told.bias == pytest.approx(0.0953 / 2, rel=0.01)
    with pytest.raises(ValueError, match="no rows"):
        summary([], {})


def test_the_limit_of_a_share_by_clopper_and_pearson() -> None:
    assert coverage_limit(0, 10) == 0
    assert coverage_limit(10, 10) == pytest.approx(0.05 ** (1 / 10))
    assert coverage_limit(1980, 2000) == pytest.approx(0.98541, abs=1e-4)
