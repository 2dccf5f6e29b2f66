"""Simulated servers do what queues do: the fast computations agree with a plain event loop, speed changes with time."""

from __future__ import annotations

import heapq

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.engine.protocol import Endpoint, HttpRequest, Ports
from tuner.load.arrivals import schedule
from tuner.load.protocol import LoadPlan
from tuner.load.queues import Floats, Pace, alike, batched, unlike
from tuner.load.simulated import SimulatedGenerator, SimulatedServer, Spells

gaps = st.lists(st.floats(0, 3), min_size=1, max_size=60)
STALLED = SimulatedServer(service=0.001, stall=(3.0, 2.0))


def one_by_one(arrivals: Floats, work: Floats, servers: int) -> list[float]:
    free, done = [0.0] * servers, []
    for arrival, takes in zip(arrivals, work, strict=True):
        done.append(max(heapq.heappop(free), arrival) + takes)
        heapq.heappush(free, done[-1])
    return done


@given(gaps, st.floats(0.01, 5), st.integers(1, 9))
def test_equal_work_on_several_servers(gaps: list[float], work: float, servers: int) -> None:
    arrivals = np.cumsum(gaps)
    expected = one_by_one(arrivals, np.full(len(arrivals), work), servers)
    assert alike(arrivals, work, servers) == pytest.approx(expected)
    assert batched(arrivals, [0.0, work], 1, servers) == pytest.approx(expected)


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 5)), min_size=1, max_size=60), st.integers(1, 9))
def test_unequal_work_on_several_servers(requests: list[tuple[float, float]], servers: int) -> None:
    arrivals, work = np.cumsum([gap for gap, _ in requests]), np.array([work for _, work in requests])
    assert unlike(arrivals, work, servers) == pytest.approx(one_by_one(arrivals, work, servers))


@given(gaps, st.integers(1, 8), st.integers(1, 4))
def test_batches_take_what_waits_and_no_more_than_fits(gaps: list[float], size: int, servers: int) -> None:
    arrivals = np.cumsum(gaps)
    done = batched(arrivals, [0.5 + 0.25 * count for count in range(size + 1)], size, servers)
    begun = 0
    ends, counts = np.unique(done, return_counts=True)
    assert counts.max() <= size * servers
    assert (done >= arrivals + 0.75).all()
    if servers == 1:
        free = 0.0
        for end, count in zip(ends, counts, strict=True):
            begin = end - 0.5 - 0.25 * count
            assert begin == pytest.approx(max(free, arrivals[begun])), "it waits for nothing but a request"
            waiting = int((arrivals[begun:] <= begin + 1e-9).sum())
            assert count == pytest.approx(min(waiting, size), abs=1)
            begun, free = begun + count, end
        assert begun == len(arrivals)


@given(
    st.lists(st.tuples(st.floats(0.01, 2), st.sampled_from([0.0, 0.3, 1.0, 2.5])), min_size=2, max_size=10),
    st.lists(st.floats(0, 30), min_size=1, max_size=20),
)
def test_a_pace_turns_moments_into_work_and_back(pieces: list[tuple[float, float]], moments: list[float]) -> None:
    begins = np.cumsum([length for length, _ in pieces])
    pace = Pace.of(begins, np.array([*(speed for _, speed in pieces[:-1]), 1.0]))
    ordered = np.sort(moments)
    work = pace.work(ordered)
    assert (np.diff(work) >= -1e-12).all()
    back = pace.moment(work)
    assert (back <= ordered + 1e-9).all(), "the first moment by which the work can be done"
    assert pace.work(back) == pytest.approx(work, abs=1e-9)


def test_nothing_is_done_during_a_stall_and_it_is_made_up_for_later() -> None:
    times = schedule("poisson", 5000, 0, 500.0, 3)
    stalled, free = STALLED.latencies(times), SimulatedServer(service=0.001).latencies(times)
    done = times + stalled
    assert not ((done > 3.0) & (done <= 5.0)).any()
    assert stalled[done <= 3.0] == pytest.approx(free[done <= 3.0], abs=1e-9)
    first = int(np.searchsorted(times, 3.0))
    assert stalled[first] == pytest.approx(5.0 - times[first], abs=0.01)
    assert stalled[times > 8.0] == pytest.approx(free[times > 8.0], abs=1e-9)


def test_all_that_waited_for_the_end_of_a_stall_is_one_batch() -> None:
    server = SimulatedServer(service=0.01, batch=64, stall=(1.0, 1.0))
    times = np.linspace(1.1, 1.9, 50)
    assert times + server.latencies(times) == pytest.approx(np.full(50, 2.01))


@pytest.mark.parametrize(
    ("law", "variation"), [("exponential", 1.0), ("log-normal", 1.5), ("log-normal", 0.5), ("deterministic", 0.0)]
)
def test_service_times_have_their_law(law: str, variation: float) -> None:
    server = SimulatedServer(service=0.001, law=law, variation=variation)  # type: ignore[arg-type]
    alone = server.latencies(np.arange(200_000.0), seed=5)
    assert alone.mean() == pytest.approx(0.001, rel=0.02)
    assert alone.std() / alone.mean() == pytest.approx(variation, rel=0.05, abs=1e-6)


def test_fewer_arrivals_of_a_seed_get_the_same_service() -> None:
    server = SimulatedServer(service=0.001, law="log-normal", spells=Spells(1.5, 0.1, 0.3))
    times = schedule("poisson", 5000, 0, 500.0, 3)
    assert (server.latencies(times[:800], seed=4) == server.latencies(times, seed=4)[:800]).all()
    assert (server.latencies(times, seed=5) != server.latencies(times, seed=4)).any()


def test_spells_slow_a_server_down_for_a_while_and_on_average() -> None:
    server = SimulatedServer(service=0.001, spells=Spells(2.0, 0.2, 0.2))
    times = np.arange(1, 100_000) / 2000
    done = times + server.latencies(times, seed=1)
    assert server.saturation == pytest.approx(750)
    assert len(times) / done[-1] == pytest.approx(750, rel=0.05)
    alone = server.latencies(np.arange(1, 50_000) / 500, seed=2)
    slow = alone > 0.0015
    assert slow.mean() == pytest.approx(0.5, abs=0.1)
    assert (slow[1:] == slow[:-1]).mean() > 0.97, "spells last for many requests"


def plan(rate: float, duration: float, **fields: object) -> LoadPlan:
    usual: dict[str, object] = {
        "endpoint": Endpoint(host="127.0.0.1", ports=Ports(http=1, grpc=2, metrics=3)),
        "requests": (HttpRequest(path="/"),),
        "arrivals": "poisson",
        "rate": rate,
        "duration": duration,
        "seed": 1,
        "timeout": 5.0,
        "bounds": ((99.0, 0.05),),
    }
    return LoadPlan.model_validate({**usual, **fields})


def test_a_server_is_cold_once_in_its_life() -> None:
    generator = SimulatedGenerator(SimulatedServer(service=0.002, cold=(1.0, 4.0)))
    means = [generator.run(plan(20.0, 0.5, arrivals="constant")).windows[0].latency for _ in range(4)]
    assert means[0] == pytest.approx(0.008, rel=0.1)
    assert means[0] > means[1] > means[2] > means[3] == pytest.approx(0.002)


def test_a_schedule_of_ones_own_ages_the_server_too() -> None:
    generator = SimulatedGenerator(SimulatedServer(service=0.002, cold=(1.0, 4.0)))
    assert generator.serve(np.arange(1, 20) / 10).max() > 0.006
    assert generator.serve(np.arange(1, 20) / 10) == pytest.approx(np.full(19, 0.002))


@pytest.mark.parametrize("batch", [1, 8])
def test_a_load_that_ends_early_is_the_beginning_of_the_whole_one(batch: int) -> None:
    server = SimulatedServer(service=0.002, batch=batch, law="exponential")
    rate = 3 * server.saturation
    early = SimulatedGenerator(server, seed=3).run(plan(rate, 4.0, hopeless_after=(20,)))
    whole = SimulatedGenerator(server, seed=3).run(plan(rate, 4.0))
    assert early.ended_early
    assert 20 < early.over[0] <= whole.over[0]
    assert early.scheduled < whole.scheduled / 2
    assert early.windows[0].scheduled in (whole.windows[0].scheduled, early.scheduled)


def test_too_many_failures_end_a_load_early() -> None:
    server = SimulatedServer(service=0.001, failing=0.5)
    result = SimulatedGenerator(server).run(plan(200.0, 20.0, hopeless_failures=30))
    assert result.ended_early
    assert 30 < result.failures < 60
