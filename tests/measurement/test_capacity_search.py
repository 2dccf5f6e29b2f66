"""The search itself, told what an exact server would say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.load.histogram import encode_seconds
from tuner.load.protocol import LoadResult
from tuner.measurement.capacity import CapacitySearch, Probe
from tuner.measurement.model import Judgement, LoadPoint

HISTOGRAM = encode_seconds(np.array([0.01]))


def point(rate: float, judgement: Judgement, *, pressure: float = 0.5, answered: float | None = None) -> LoadPoint:
    result = LoadResult(
        planned=2000,
        scheduled=2000,
        answered=2000,
        over=(0,),
        histogram=HISTOGRAM,
        lateness=HISTOGRAM,
        offered_rate=rate,
        answered_rate=rate if answered is None else answered,
        elapsed=1.0,
    )
    return LoadPoint(
        rate=rate, judgement=judgement, reason="told", latency={}, lateness_p99=0, result=result, pressure=pressure
    )


def exact(probe: Probe, capacity: float, saturation: float) -> LoadPoint:
    """A single queue: latency over its bound is 1 at the capacity, and grows without end towards saturation."""
    if probe.rate >= saturation:
        return point(probe.rate, Judgement.FAIL, pressure=10.0, answered=saturation)
    slope = (saturation - capacity) / capacity
    pressure = slope * probe.rate / (saturation - probe.rate)
    judgement = Judgement.PASS if probe.rate <= capacity else Judgement.FAIL
    return point(probe.rate, Judgement.UNDECIDED if probe.purpose == "scout" else judgement, pressure=pressure)


def run(search: CapacitySearch, capacity: float, saturation: float) -> list[Probe]:
    probes = []
    while probe := search.ask():
        probes.append(probe)
        search.tell(probe, exact(probe, capacity, saturation))
    return probes


@given(
    st.floats(1.0, 1e5),
    st.floats(0.3, 0.97),
    st.floats(0.01, 50.0),
    st.sampled_from([0.02, 0.05, 0.1]),
    st.booleans(),
)
def test_an_exact_server_is_found_from_anywhere(
    saturation: float, share: float, start: float, precision: float, likely: bool
) -> None:
    capacity = share * saturation
    search = CapacitySearch(start * capacity, precision=precision, likely=capacity if likely else None, most=60)
    probes = run(search, capacity, saturation)
    found = search.capacity()
    assert found is not None
    assert found.certified is not None
    assert capacity / (1 + precision) * 0.999 <= found.certified <= capacity
    assert found.rate.low <= capacity <= found.rate.high
    assert found.rate.value == pytest.approx(capacity, rel=1.5 * precision)
    assert probes[-1] == Probe(found.certified, "confirm")
    assert search.doubt is None


@given(st.floats(0.4, 0.97), st.floats(0.2, 5.0))
def test_it_takes_few_probes(share: float, start: float) -> None:
    probes = run(CapacitySearch(start * share * 1000, precision=0.05), share * 1000, 1000.0)
    assert len([probe for probe in probes if probe.purpose != "scout"]) <= 9


def test_scouts_double_until_the_server_falls_behind() -> None:
    probes = run(CapacitySearch(100.0, precision=0.05), 900.0, 1000.0)
    assert [probe.rate for probe in probes if probe.purpose == "scout"] == [100, 200, 400, 800, 1600]


def test_a_ceiling_that_holds_is_the_certified_rate() -> None:
    search = CapacitySearch(100.0, precision=0.05, ceiling=300.0)
    run(search, 900.0, 1000.0)
    found = search.capacity()
    assert found is not None
    assert found.certified == 300.0


@pytest.mark.parametrize("judgement", [Judgement.FAIL, Judgement.UNDECIDED])
def test_nothing_that_passes_is_no_capacity(judgement: Judgement) -> None:
    search = CapacitySearch(1000.0, precision=0.05, floor=100.0)
    rates = []
    while probe := search.ask():
        rates.append(probe.rate)
        search.tell(probe, point(probe.rate, judgement, pressure=1.5))
    assert search.capacity() is None
    assert rates[-1] == pytest.approx(100.0)
    assert search.doubt is None


def test_undecided_counts_as_not_passed() -> None:
    search = CapacitySearch(2000.0, precision=0.05)
    while probe := search.ask():
        told = exact(probe, 800.0, 1000.0)
        if told.judgement is Judgement.FAIL and probe.rate < 1000:
            told = point(probe.rate, Judgement.UNDECIDED, pressure=told.pressure)
        search.tell(probe, told)
    found = search.capacity()
    assert found is not None
    assert found.rate.low <= 800 <= found.rate.high


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


def test_a_pass_that_is_never_confirmed_is_doubted() -> None:
    """An unsteady machine: every pass is contradicted by its confirmation."""
    search = CapacitySearch(2000.0, precision=0.05)
    while probe := search.ask():
        told = exact(probe, 900.0, 1000.0)
        if probe.purpose == "confirm":
            told = point(probe.rate, Judgement.FAIL, pressure=1.3)
        search.tell(probe, told)
    assert search.capacity() is None
    assert search.doubt is not None
    assert "unsteady" in search.doubt


@given(
    st.lists(st.tuples(st.sampled_from(list(Judgement)), st.floats(0, 5), st.floats(0.1, 1)), min_size=40, max_size=40)
)
def test_any_answers_end_in_bounded_probes(answers: list[tuple[Judgement, float, float]]) -> None:
    search = CapacitySearch(500.0, precision=0.05, floor=10.0, likely=300.0)
    asked = 0
    while probe := search.ask():
        assert math.isfinite(probe.rate)
        assert probe.rate >= 10.0
        judgement, pressure, answered = answers[asked % 40]
        search.tell(probe, point(probe.rate, judgement, pressure=pressure, answered=answered * probe.rate))
        asked += 1
        assert asked <= 60
    found = search.capacity()
    if found is not None:
        assert found.rate.low <= found.rate.value <= found.rate.high


@pytest.mark.parametrize("wrong", [{"start": 0.0}, {"precision": 0.0}, {"floor": 20.0, "ceiling": 10.0}, {"most": 0}])
def test_impossible_searches_are_refused(wrong: dict[str, float]) -> None:
    fields: dict[str, float] = {"start": 10.0, "precision": 0.05, **wrong}
    with pytest.raises(ValueError, match="needs"):
        CapacitySearch(**fields)  # type: ignore[arg-type]


def test_one_bad_load_at_the_floor_is_not_the_end() -> None:
    """A hiccup of the machine at the lowest rate: asked again, and outvoted."""
    search = CapacitySearch(100.0, precision=0.05, floor=100.0, ceiling=1000.0)
    hiccup = True
    while probe := search.ask():
        told = exact(probe, 300.0, 330.0)
        if probe.purpose == "narrow" and hiccup:
            told = point(100.0, Judgement.FAIL, pressure=2.0)
            probe = Probe(100.0, "narrow")
            hiccup = False
        search.tell(probe, told)
    found = search.capacity()
    assert found is not None
    assert found.rate.low < 300 < found.rate.high
