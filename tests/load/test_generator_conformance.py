"""What every load generator does: the same suite on the one that sends and on the one in simulated time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tuner.load.generator import LocustGenerator
from tuner.load.histogram import decode
from tuner.load.protocol import LoadGenerator, LoadPlan, LoadResult
from tuner.load.simulated import SimulatedGenerator, SimulatedServer

Case = tuple[LoadGenerator, int]

SIMULATED = {
    "ok": SimulatedServer(service=0.0001),
    "slow": SimulatedServer(service=0.005),
    "stall": SimulatedServer(service=0.0001, stall=(0.5, 1.0)),
    "hang": SimulatedServer(service=1000.0),
    "status": SimulatedServer(service=0.0001, failing=1.0),
}


@pytest.fixture(params=["locust", "pair", "simulated"])
def case(request: pytest.FixtureRequest) -> Callable[[str], Case]:
    def make(mode: str) -> Case:
        if request.param == "simulated":
            return SimulatedGenerator(SIMULATED[mode]), 1
        generator: LocustGenerator = request.getfixturevalue(request.param)
        return generator, request.getfixturevalue("serve")(mode).port

    return make


Cases = Callable[[str], Case]
Plan = Callable[..., LoadPlan]


def coherent(plan: LoadPlan, result: LoadResult) -> None:
    """What holds for every result."""
    assert result.planned == plan.planned
    assert result.scheduled == result.answered + result.failures
    assert result.ended_early or result.scheduled == plan.planned
    assert decode(result.histogram).get_total_count() == result.scheduled
    assert all(result.failures <= over <= result.scheduled for over in result.over)
    assert sum(window.scheduled for window in result.windows) == result.scheduled
    for number, over in enumerate(result.over):
        assert sum(window.over[number] for window in result.windows) == over


def test_every_request_of_a_good_server_is_answered(case: Cases, plan: Plan) -> None:
    generator, port = case("ok")
    asked = plan(port, lead=0.1)
    result = generator.run(asked)
    coherent(asked, result)
    assert (result.answered, result.failed, result.ended_early) == (100, {}, False)
    assert result.offered_rate == pytest.approx(200)
    assert decode(result.lateness).get_total_count() == 100


def test_constant_arrivals_carry_the_same_load(case: Cases, plan: Plan) -> None:
    generator, port = case("ok")
    asked = plan(port, arrivals="constant")
    result = generator.run(asked)
    coherent(asked, result)
    assert [window.scheduled for window in result.windows] == [10] * 10


def test_queueing_counts_from_the_scheduled_time(case: Cases, plan: Plan) -> None:
    """A server for 200/s under 400/s: the last requests wait for all those before them."""
    generator, port = case("slow")
    asked = plan(port, rate=400.0, timeout=5.0)
    result = generator.run(asked)
    coherent(asked, result)
    assert result.answered == 200
    assert result.answered_rate == pytest.approx(200, rel=0.1)
    assert decode(result.histogram).get_max_value() / 1e6 > 0.4
    assert result.over[0] > 80


def test_a_stall_is_in_the_percentiles(case: Cases, plan: Plan) -> None:
    """One second without an answer in two: half of the requests waited, half a second on average."""
    generator, port = case("stall")
    asked = plan(port, duration=2.0, timeout=5.0, bounds=((50.0, 0.1), (99.0, 0.9)))
    result = generator.run(asked)
    coherent(asked, result)
    histogram = decode(result.histogram)
    assert result.answered == 400
    assert histogram.get_value_at_percentile(75) / 1e6 > 0.3
    assert histogram.get_value_at_percentile(99) / 1e6 > 0.8
    assert result.over[0] > 150


def test_a_server_that_hangs_costs_every_request_its_timeout(case: Cases, plan: Plan) -> None:
    generator, port = case("hang")
    asked = plan(port, duration=0.3, timeout=0.3)
    result = generator.run(asked)
    coherent(asked, result)
    assert result.failed == {"timeout": 60}
    assert result.over == (60, 60)
    assert decode(result.histogram).get_min_value() / 1e6 == pytest.approx(0.3, rel=0.01)


def test_bad_statuses_fail_and_are_over_every_bound(case: Cases, plan: Plan) -> None:
    generator, port = case("status")
    asked = plan(port)
    result = generator.run(asked)
    coherent(asked, result)
    assert result.failed == {"http-500": 100}
    assert result.over == (100, 100)
    assert result.answered_rate == 0


def test_a_hopeless_load_ends_early(case: Cases, plan: Plan) -> None:
    generator, port = case("slow")
    asked = plan(
        port, rate=1000.0, duration=20.0, timeout=5.0, hopeless_after=(1000, 20), bounds=((50, 0.1), (99, 0.2))
    )
    result = generator.run(asked)
    coherent(asked, result)
    assert result.ended_early
    assert result.over[1] > 20
    assert result.scheduled < 5000


def test_a_hang_is_hopeless_before_its_timeout(case: Cases, plan: Plan) -> None:
    generator, port = case("hang")
    asked = plan(port, duration=20.0, timeout=30.0, hopeless_after=(50, 10), bounds=((50, 0.1), (99, 0.2)))
    if isinstance(generator, SimulatedGenerator):
        asked = asked.model_copy(update={"timeout": 1.0})
    result = generator.run(asked)
    coherent(asked, result)
    assert result.ended_early
    assert result.elapsed < 10
    assert result.answered == 0
    assert set(result.failed) <= {"timeout", "abandoned"}


def test_equal_seeds_are_equal_schedules(case: Cases, plan: Plan) -> None:
    generator, port = case("ok")
    once, again, other = (generator.run(plan(port, seed=seed)) for seed in (3, 3, 4))
    counts = [tuple(window.scheduled for window in result.windows) for result in (once, again, other)]
    assert counts[0] == counts[1] != counts[2]
