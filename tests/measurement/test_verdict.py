"""Pass, fail, undecided, invalid: each load is judged by one rule, once."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tuner.load.histogram import encode_seconds
from tuner.load.protocol import LoadResult, LoadWindow
from tuner.measurement.model import Judgement
from tuner.measurement.verdict import Limits, allowed, judge, needed, refuting
from tuner.spec.model import Slo, TuningSpec

binom: Any = import_module("scipy.stats").binom
TABLE = {
    90.0: {0: 44, 1: 64, 2: 81, 5: 127, 10: 197, 50: 681},
    95.0: {0: 90, 1: 130, 2: 165, 5: 259, 10: 398, 50: 1372},
    99.0: {0: 459, 1: 662, 2: 838, 5: 1307, 10: 2010, 50: 6898},
}
LIMITS = Limits.of(Slo.model_validate({"latency": {"p99": "50ms"}, "errorRate": "1%"}))


@pytest.mark.parametrize("percentile", TABLE)
def test_requests_needed_are_those_of_mlperfs_table(percentile: float) -> None:
    assert {over: needed(over, percentile, 0.99) for over in TABLE[percentile]} == TABLE[percentile]


@given(st.sampled_from(["p50", "p90", "p95", "p99", "p99.9", "p99.99"]), st.sampled_from([0.9, 0.95, 0.99]))
def test_a_spec_is_refused_where_not_even_a_perfect_load_certifies(percentile: str, confidence: float) -> None:
    """One request fewer than the verdict needs is a mistake in the spec, and the message names the number."""
    requests = needed(0, float(percentile[1:]), confidence)
    written = {
        "apiVersion": "tuner/v1alpha1",
        "kind": "TuningSpec",
        "metadata": {"name": "s"},
        "service": {"engine": "simulator", "model": "model", "manifest": "deployment.yaml", "container": "c"},
        "parameters": {"instances": {}},
        "load": {"payload": {"samples": "s", "inputs": [{"name": "i", "datatype": "UINT8", "shape": [1]}]}},
        "slo": {"latency": {percentile: "50ms"}, "confidence": f"{confidence:.0%}"},
        "prices": {"cpu": "1 USD", "memory": "1 USD"},
        "search": {"probe": "1s"},
    }

    def at(rate: int) -> dict[str, object]:
        return {**written, "objective": {"goal": "minimize-latency", "rate": f"{rate}/s"}}

    assert TuningSpec.model_validate(at(requests)).objective.rate == requests
    with pytest.raises(ValidationError, match=f"{percentile} at .* needs {requests:,} requests"):
        TuningSpec.model_validate(at(requests - 1))


percentiles = st.sampled_from([50.0, 90.0, 95.0, 99.0, 99.9])
confidences = st.sampled_from([0.9, 0.95, 0.99])


@given(st.integers(1, 20_000), percentiles, confidences)
def test_allowed_is_the_most_that_certifies(requests: int, percentile: float, confidence: float) -> None:
    most = allowed(requests, percentile, confidence)
    miss = 1 - percentile / 100
    if most is None:
        assert binom.cdf(0, requests, miss) > 1 - confidence
    else:
        assert binom.cdf(most, requests, miss) <= (1 - confidence) * (1 + 1e-9)
        assert binom.cdf(most + 1, requests, miss) > (1 - confidence) * (1 - 1e-9)


@given(st.integers(1, 20_000), percentiles, confidences)
def test_refuting_is_the_fewest_that_refute(requests: int, percentile: float, confidence: float) -> None:
    least = refuting(requests, percentile, confidence)
    miss = 1 - percentile / 100
    if least <= requests:
        assert binom.sf(least - 1, requests, miss) <= (1 - confidence) * (1 + 1e-9)
    assert binom.sf(least - 2, requests, miss) > (1 - confidence) * (1 - 1e-9)
    most = allowed(requests, percentile, confidence)
    assert most is None or most < least


@pytest.mark.parametrize("share", [0.01, 0.02])
def test_a_server_that_misses_hardly_ever_passes(share: float) -> None:
    """Independent exceedances: the stated confidence holds."""
    over = np.random.default_rng(1).binomial(1307, share, 20_000)
    most = allowed(1307, 99.0, 0.99)
    assert most is not None
    assert (over <= most).mean() <= 0.0125


def result(
    requests: int = 1307,
    over: int = 0,
    failed: int = 0,
    *,
    late: float = 0.0001,
    planned: int | None = None,
    ended_early: bool = False,
) -> LoadResult:
    return LoadResult(
        planned=planned or requests,
        scheduled=requests,
        answered=requests - failed,
        failed={"timeout": failed} if failed else {},
        over=(over,),
        histogram=encode_seconds(np.full(requests, 0.01)),
        lateness=encode_seconds(np.full(requests, late)),
        offered_rate=1000.0,
        answered_rate=1000.0,
        elapsed=1.0,
        ended_early=ended_early,
    )


@pytest.mark.parametrize(
    ("seen", "judgement", "reason"),
    [
        (result(over=5), Judgement.PASS, "p99 <= 50 ms certified: 5 of 1307 requests over, 5 may be"),
        (result(over=6), Judgement.UNDECIDED, "p99 <= 50 ms undecided: 6 of 1307 requests over, 5 certify it"),
        (result(over=22), Judgement.UNDECIDED, "p99 <= 50 ms undecided: 22 of 1307 requests over, 5 certify it"),
        (result(over=23), Judgement.FAIL, "p99 <= 50 ms refuted: 23 of 1307 requests over"),
        (result(458), Judgement.UNDECIDED, "p99 <= 50 ms cannot be told from 458 requests: 0.99 confidence needs 459"),
        (result(over=13, failed=13), Judgement.UNDECIDED, "p99 <= 50 ms undecided: 13 of 1307 requests over"),
        (result(over=14, failed=14), Judgement.UNDECIDED, "14 of 1307 requests failed (timeout 14), 1.000% may"),
        (result(over=40, failed=40), Judgement.FAIL, "40 of 1307 requests failed (timeout 40), 1.000% may"),
        (result(late=0.02), Judgement.INVALID, "the load generator was the bottleneck: it sent its requests 20.0 ms"),
        (result(over=500, late=0.02), Judgement.INVALID, "the load generator was the bottleneck"),
        (result(30, over=24, planned=1307, ended_early=True), Judgement.FAIL, "p99 <= 50 ms refuted: 24 of 30"),
        (result(1000, planned=1307, ended_early=True), Judgement.UNDECIDED, "the load ended early"),
    ],
)
def test_judgements_and_their_reasons(seen: LoadResult, judgement: Judgement, reason: str) -> None:
    verdict = judge(seen, LIMITS)
    assert verdict.judgement is judgement
    assert reason in verdict.reason


def test_lateness_is_bound_by_the_tightest_bound() -> None:
    slo = Slo.model_validate({"latency": {"p50": "10ms", "p99": "50ms"}})
    assert Limits.of(slo).lateness == pytest.approx(0.002)
    assert Limits.of(Slo.model_validate({"latency": {"p99": "1ms"}})).lateness == pytest.approx(0.001)


def test_the_worst_of_several_bounds_decides() -> None:
    limits = Limits.of(Slo.model_validate({"latency": {"p50": "5ms", "p99": "50ms"}}))
    seen = result().model_copy(update={"over": (1307, 0)})
    verdict = judge(seen, limits)
    assert verdict.judgement is Judgement.FAIL
    assert verdict.reason.startswith("p50 <= 5 ms refuted")


def rising(slope: float) -> LoadResult:
    """A load of 1.3 s in ten windows, whose latency rises by so many seconds a second."""
    windows = [{"scheduled": 131, "over": (0,), "latency": 0.005 + slope * 0.13 * number} for number in range(10)]
    return result().model_copy(update={"windows": tuple(LoadWindow.model_validate(window) for window in windows)})


@pytest.mark.parametrize(
    ("slope", "judgement"), [(0.0, Judgement.PASS), (0.01, Judgement.PASS), (0.03, Judgement.UNDECIDED)]
)
def test_a_queue_that_still_grows_does_not_pass(slope: float, judgement: Judgement) -> None:
    assert judge(rising(slope), LIMITS).judgement is judgement
