"""When requests are sent: every kind of arrivals, and the traces that are replayed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from scipy import stats
from scipy.special import gammaincinv

from tuner.errors import UserError
from tuner.load.arrivals import Arrivals, Diurnal, Gamma, Trace, schedule
from tuner.load.trace import LARGEST_BYTES, arrivals_of, read_trace
from tuner.spec.traffic import Arrivals as Written

GAPS = st.lists(st.floats(0, 100), min_size=1, max_size=50).filter(lambda gaps: sum(gaps) > 1e-6)
KINDS: st.SearchStrategy[Arrivals] = st.one_of(
    st.sampled_from(["poisson", "constant"]),
    st.builds(Gamma, st.floats(0.1, 10)),
    st.builds(Diurnal, st.floats(0, 1), st.floats(0.01, 1000)),
    GAPS.map(lambda gaps: Trace.of(np.cumsum([1e9, *gaps]))),
)


@given(KINDS, st.integers(1, 2000), st.integers(0, 200), st.floats(0.1, 1e5), st.integers(0, 2**40))
def test_a_schedule_holds_what_was_asked(arrivals: Arrivals, count: int, lead: int, rate: float, seed: int) -> None:
    times = schedule(arrivals, count, lead, rate, seed)
    assert len(times) == lead + count
    assert (np.diff(times) >= 0).all()
    assert times[0] >= 0
    assert times[-1] <= (lead + count) / rate
    assert (times[:lead] <= lead / rate + 1e-9).all()
    assert (times[lead:] >= lead / rate - 1e-9).all()
    assert (times == schedule(arrivals, count, lead, rate, seed)).all()


def test_poisson_gaps_are_exponential() -> None:
    gaps = np.diff(schedule("poisson", 20_000, 0, 500.0, 1))
    assert stats.kstest(gaps * 500, "expon").pvalue > 0.001


@pytest.mark.parametrize("cv", [0.2, 1.0, 3.0])
def test_bursty_gaps_are_gamma_of_the_stated_variation(cv: float) -> None:
    gaps = np.diff(schedule(Gamma(cv), 20_000, 0, 500.0, 1))
    shape = cv**-2
    for quantile in (0.5, 0.7, 0.9, 0.99):
        assert (gaps * 500 * shape <= gammaincinv(shape, quantile)).mean() == pytest.approx(quantile, abs=0.015)
    assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.05)


def test_waves_rise_and_fall_by_the_stated_share() -> None:
    """Three waves of a hundred seconds: in the rising half the rate is 1 + 2 * swing / pi of its mean."""
    times = schedule(Diurnal(0.5, 100.0), 60_000, 0, 200.0, 1)
    within = np.mod(times, 100.0) < 50.0
    assert within.mean() == pytest.approx(0.5 + 0.5 / np.pi, abs=0.01)
    first = times[times < 25.0]
    assert len(first) / 25.0 == pytest.approx(200 * (1 + 0.5 * 2 / np.pi), rel=0.03)


def test_a_load_shorter_than_a_wave_holds_a_whole_one() -> None:
    times = schedule(Diurnal(1.0, 86_400.0), 10_000, 0, 1000.0, 1)
    assert (times < 5.0).mean() == pytest.approx(0.5 + 1 / np.pi, abs=0.02)


def test_without_swing_a_wave_is_a_poisson_process() -> None:
    times = schedule(Diurnal(0.0, 1.0), 20_000, 0, 500.0, 1)
    assert stats.kstest(times / 40.0, "uniform").pvalue > 0.001


@given(GAPS, st.integers(1, 200), st.floats(0.1, 1e4), st.integers(0, 2**30))
def test_a_replayed_trace_keeps_its_shape(gaps: list[float], count: int, rate: float, seed: int) -> None:
    """Up to one factor, the gaps are those of the trace, in its order, round and round."""
    trace = np.cumsum([0.0, *gaps])
    replayed = np.diff(schedule(Trace.of(trace), count, 0, rate, seed))
    known = np.append(np.diff(trace), np.diff(trace).mean())
    starts = [np.take(known, np.arange(first, first + count), mode="wrap") for first in range(len(known))]
    span = count / rate
    assert any(
        np.allclose(replayed, start[:-1] * (span / start.sum() if start.sum() else 0), rtol=1e-6, atol=1e-9 * span)
        for start in starts
    )


def test_a_seed_chooses_the_stretch_of_the_trace() -> None:
    trace = Trace.of(np.cumsum(np.random.default_rng(1).exponential(1.0, 1000)))
    once, again, other = (schedule(trace, 50, 0, 10.0, seed) for seed in (1, 1, 2))
    assert (once == again).all()
    assert not np.allclose(once, other)


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ((0.0,), Gamma),
        ((11.0,), Gamma),
        ((float("nan"),), Gamma),
        ((-0.1, 1.0), Diurnal),
        ((1.1, 1.0), Diurnal),
        ((0.5, 0.0), Diurnal),
        ((0.5, float("inf")), Diurnal),
        ((b"",), Trace),
        ((b"123",), Trace),
        ((np.array([1.0, 1.0]).tobytes(),), Trace),
        ((np.array([2.0, 1.0]).tobytes(),), Trace),
        ((np.array([1.0, np.nan]).tobytes(),), Trace),
    ],
)
def test_impossible_arrivals_are_refused(wrong: tuple[object, ...], kind: type) -> None:
    with pytest.raises(ValueError, match=r"is not|timestamps"):
        kind(*wrong)


def test_a_trace_file_is_one_timestamp_a_line() -> None:
    raw = b"# seconds\n\n1699999999.25\n1699999999.25 # twice\r\n  1700000001.5\n1.7000000025e9"
    times = np.frombuffer(read_trace(raw, "arrivals.txt").times)
    assert times.tolist() == [1699999999.25, 1699999999.25, 1700000001.5, 1700000002.5]


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "t.txt:1:1: a trace needs timestamps that differ, and this one has none"),
        (b"# nothing\n\n", "t.txt:1:1: a trace needs timestamps that differ, and this one has none"),
        (b"1\n", "t.txt:1:1: a trace needs timestamps that differ, and this one has 1"),
        (b"1\n1\n1\n", "t.txt:1:1: all timestamps are the same"),
        (b"1\n2\n1.5\n", "t.txt:3:1: 1.5 is earlier than the line before"),
        (b"1\n\n2s\n", "t.txt:3:1: '2s' is not a timestamp"),
        (b"1\nnan\n", "t.txt:2:1: 'nan' is not a timestamp"),
        (b"1\n1e400\n", "t.txt:2:1: '1e400' is not a timestamp"),
        (b"1\n1_000\n", "t.txt:2:1: '1_000' is not a timestamp"),
        (b"1,2\n", "t.txt:1:1: '1,2' is not a timestamp"),
        (b"\xff\xfe1\n", "t.txt:1:1: '"),
        (b"1\n\x1b[2J\n", "t.txt:2:1: '"),
        (b"1\n2\n" * (LARGEST_BYTES // 4) + b"#", "t.txt: the trace has"),
        (b"1\n" + b"2\n" * 1_000_001, "t.txt:1000001:1: the trace has more than 1000000 timestamps"),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, str) else None,
)
def test_a_bad_trace_is_told_with_its_line(raw: bytes, told: str) -> None:
    with pytest.raises(UserError) as refused:
        read_trace(raw, "t.txt")
    assert str(refused.value).startswith(told)
    assert str(refused.value).isprintable()


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(raw: bytes) -> None:
    try:
        trace = read_trace(raw, "t.txt")
    except UserError as error:
        told = str(error)
    else:
        told = ""
        assert len(schedule(trace, 10, 0, 1.0, 1)) == 10
    assert told.isprintable()


@pytest.mark.parametrize(
    ("written", "arrivals"),
    [
        ({"kind": "constant"}, "constant"),
        ({"kind": "gamma", "cv": 2}, Gamma(2.0)),
        ({"kind": "diurnal", "swing": "50%", "period": "1m"}, Diurnal(0.5, 60.0)),
        ({"kind": "trace", "file": "traffic/a.txt"}, Trace.of([1.0, 2.0])),
    ],
)
def test_a_spec_says_how_requests_arrive(written: dict[str, object], arrivals: Arrivals) -> None:
    files = {"traffic/a.txt": Trace.of([1.0, 2.0])}
    assert arrivals_of(TypeAdapter(Written).validate_python(written), files.__getitem__) == arrivals


def test_a_trace_that_nobody_reads_is_no_arrivals() -> None:
    with pytest.raises(ValueError, match="has to be read"):
        arrivals_of(TypeAdapter(Written).validate_python({"kind": "trace", "file": "a.txt"}))
