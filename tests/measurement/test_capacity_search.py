"""The search itself, told what an exact server would say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.load.histogram import encode_seconds
from tuner.load.protocol import LoadResult
from tuner.load.tail import Throughput
from tuner.measurement.capacity import LOADS, CapacitySearch, Probe
from tuner.measurement.model import Judgement, LoadPoint

HISTOGRAM = encode_seconds(np.array([0.01]))
ALLOWED = 0.01


def point(
    rate: float, judgement: Judgement, *, excess: float = -1.0, over: float = 0.0, answered: float | None = None
) -> LoadPoint:
    answers = rate if answered is None else answered
    result = LoadResult(
        planned=2000,
        scheduled=2000,
        answered=2000,
        over=(round(2000 * over),),
        histogram=HISTOGRAM,
        lateness=HISTOGRAM,
        offered_rate=rate,
        answered_rate=answers,
        elapsed=1.0,
        throughput=Throughput(rate=answers, error=0.01) if answers else None,
    )
    return LoadPoint(
        rate=rate,
        judgement=judgement,
        reason="told",
        latency={},
        lateness_p99=0,
        result=result,
        pressure=math.exp(excess),
        excess=excess,
        error=0.3,
        allowed=ALLOWED,
    )


def exact(probe: Probe, capacity: float, saturation: float) -> LoadPoint:
    """A single queue: the share over its bound grows exponentially with the rate, up to all at the saturation."""
    excess = math.log(1 / ALLOWED) * (probe.rate - capacity) / (saturation - capacity)
    if probe.rate >= saturation:
        return point(probe.rate, Judgement.FAIL, excess=4.6, over=0.9, answered=saturation)
    share = ALLOWED * math.exp(excess)
    judgement = Judgement.FAIL if share > 0.5 else Judgement.UNDECIDED
    return point(probe.rate, judgement, excess=max(excess, -20.0), over=share)


def run(search: CapacitySearch, capacity: float, saturation: float) -> list[Probe]:
    probes = []
    while probe := search.ask():
        probes.append(probe)
        search.tell(probe, exact(probe, capacity, saturation))
    return probes


@settings(deadline=None, max_examples=40)
@given(st.floats(1.0, 1e5), st.floats(0.4, 0.97), st.floats(0.01, 50.0), st.booleans())
def test_an_exact_server_is_found_from_anywhere(saturation: float, share: float, start: float, likely: bool) -> None:
    capacity = share * saturation
    search = CapacitySearch(start * capacity, precision=0.02, likely=capacity if likely else None, most=60)
    run(search, capacity, saturation)
    found = search.capacity()
    assert found is not None
    assert found.rate.low <= capacity <= found.rate.high
    assert found.rate.value == pytest.approx(capacity, rel=0.1)
    assert found.certified == found.rate.low
    assert search.doubt is None


@settings(deadline=None, max_examples=40)
@given(st.floats(0.4, 0.97), st.floats(0.2, 5.0))
def test_it_takes_few_loads(share: float, start: float) -> None:
    probes = run(CapacitySearch(start * share * 1000, precision=0.001), share * 1000, 1000.0)
    assert len([probe for probe in probes if probe.purpose != "scout"]) <= LOADS + 4


def test_a_wide_interval_is_enough_where_it_is_asked_for() -> None:
    loads = [len(run(CapacitySearch(300.0, precision=precision), 900.0, 1000.0)) for precision in (0.5, 0.001)]
    assert loads[0] < loads[1]


def test_scouts_double_until_the_server_falls_behind() -> None:
    probes = run(CapacitySearch(100.0, precision=0.05), 900.0, 1000.0)
    assert [probe.rate for probe in probes if probe.purpose == "scout"] == [100, 200, 400, 800, 1600]


def test_scouts_that_only_fail_are_enough_though_the_server_keeps_up() -> None:
    """Slow, but never behind: more load would tell nothing, and may do harm."""
    search = CapacitySearch(100.0, precision=0.05, floor=100.0)
    rates = []
    while probe := search.ask():
        rates.append(probe.rate)
        search.tell(probe, point(probe.rate, Judgement.FAIL, excess=4.0, over=0.6))
    assert max(rates) == 200.0
    assert search.capacity() is None


def test_a_likely_capacity_is_loaded_first_and_enters_no_result() -> None:
    found = []
    for likely in (850.0, 900.0):
        search = CapacitySearch(1500.0, precision=0.001, likely=likely)
        probes = run(search, 900.0, 1000.0)
        assert probes[1] == Probe(likely, "first")
        capacity = search.capacity()
        assert capacity is not None
        found.append(capacity.rate.value)
    assert found[0] == pytest.approx(found[1], rel=0.01)


def test_nothing_that_holds_is_no_capacity() -> None:
    search = CapacitySearch(1000.0, precision=0.05, floor=100.0)
    rates = []
    while probe := search.ask():
        rates.append(probe.rate)
        search.tell(probe, point(probe.rate, Judgement.FAIL, excess=3.0, over=0.6, answered=60.0))
    assert search.capacity() is None
    assert rates[-1] == pytest.approx(100.0)
    assert search.doubt is None


def test_loads_that_contradict_each_other_widen_the_interval() -> None:
    widths = []
    for swing in (0.0, 2.0):
        search = CapacitySearch(1500.0, precision=0.001)
        turn = 1.0
        while probe := search.ask():
            told = exact(probe, 900.0, 1000.0)
            if probe.purpose != "scout":
                told = told.model_copy(update={"excess": told.excess + swing * turn})
                turn = -turn
            search.tell(probe, told)
        found = search.capacity()
        assert found is not None
        assert found.rate.low < 900 < found.rate.high
        widths.append(found.rate.high / found.rate.low)
    assert widths[1] > widths[0] * 1.05


def test_a_late_generator_is_asked_again_once_and_then_doubted() -> None:
    search = CapacitySearch(100.0, precision=0.05)
    first = search.ask()
    assert first is not None
    search.tell(first, point(first.rate, Judgement.INVALID))
    assert search.ask() == first
    search.tell(first, exact(first, 900.0, 1000.0))
    again = search.ask()
    assert again is not None
    assert again != first
    search.tell(again, point(again.rate, Judgement.INVALID))
    search.tell(again, point(again.rate, Judgement.INVALID))
    assert search.ask() is None
    assert search.doubt == "told"
    assert search.capacity() is None


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(Judgement)), st.floats(-25, 5), st.floats(0, 1), st.just(0.0) | st.floats(0.001, 1)
        ),
        min_size=40,
        max_size=40,
    )
)
def test_any_answers_end_in_bounded_probes(answers: list[tuple[Judgement, float, float, float]]) -> None:
    search = CapacitySearch(500.0, precision=0.05, floor=10.0, likely=300.0)
    asked = 0
    while probe := search.ask():
        assert math.isfinite(probe.rate)
        assert probe.rate >= 10.0
        judgement, excess, over, answered = answers[asked % 40]
        search.tell(probe, point(probe.rate, judgement, excess=excess, over=over, answered=answered * probe.rate))
        asked += 1
        assert asked <= 60
    found = search.capacity()
    if found is not None:
        assert 0 < found.rate.low <= found.rate.value <= found.rate.high < math.inf


@pytest.mark.parametrize("wrong", [{"start": 0.0}, {"precision": 0.0}, {"confidence": 1.0}, {"most": 0}])
def test_impossible_searches_are_refused(wrong: dict[str, float]) -> None:
    fields: dict[str, float] = {"start": 10.0, "precision": 0.05, **wrong}
    with pytest.raises(ValueError, match="needs"):
        CapacitySearch(**fields)  # type: ignore[arg-type]


def test_one_bad_load_at_the_floor_is_not_the_end() -> None:
    """A hiccup of the machine at the lowest rate: asked again, and outvoted."""
    search = CapacitySearch(100.0, precision=0.05, floor=100.0)
    hiccup = True
    while probe := search.ask():
        told = exact(probe, 300.0, 330.0)
        if probe.purpose != "scout" and hiccup:
            told = point(100.0, Judgement.FAIL, excess=3.0, over=0.5)
            hiccup = False
        search.tell(probe, told)
    found = search.capacity()
    assert found is not None
    assert found.rate.high > 200
