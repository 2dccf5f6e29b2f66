"""One conformance suite for every client protocol, and what only calls or only streams do."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.load.peers import Peer, message, order, requested, sent, serving
from tuner.engine.protocol import ClientProtocol, HttpRequest
from tuner.errors import PermanentError
from tuner.load.generator import LocustGenerator
from tuner.load.protocol import LoadPlan
from tuner.load.request import wire_request
from tuner.load.tally import Observation, TokenObservation, tally


@dataclass(frozen=True)
class Case:
    """A protocol, and the server script and modes that show the same behaviour in it."""

    protocol: ClientProtocol
    script: str
    modes: dict[str, str]
    status: str


CASES = (
    Case("http", "null_server.py", {"ok": "ok", "status": "status", "hang": "hang", "cut": "short"}, "http-500"),
    Case("grpc", "call_server.py", {"ok": "ok", "status": "status", "hang": "hang", "cut": "cut"}, "grpc-14"),
    Case("stream", "stream_server.py", {"ok": "ok", "status": "status", "hang": "stall", "cut": "cut"}, "http-429"),
)


@pytest.fixture(params=CASES, ids=lambda case: case.protocol)
def case(request: pytest.FixtureRequest) -> Case:
    chosen: Case = request.param
    return chosen


def coherent(seen: Observation) -> None:
    """What holds for everything that is seen."""
    assert len(seen.scheduled) == len(seen.latency) == len(seen.sent_late)
    assert int((seen.latency < 0).sum()) == sum(seen.failed.values())
    assert sum(seen.lengths.values()) == int((seen.latency >= 0).sum())


def test_every_request_is_answered_once(case: Case) -> None:
    with serving(case.script, case.modes["ok"]) as peer:
        seen = sent(order(peer, requested(case.protocol)), times=2)
    coherent(seen)
    assert not seen.failed
    assert len(seen.latency) == 50
    assert (seen.latency > 0).all()
    assert (seen.sent_late >= 0).sum() >= 45


def test_the_servers_no_is_a_failure_with_its_status(case: Case) -> None:
    with serving(case.script, case.modes["status"]) as peer:
        seen = sent(order(peer, requested(case.protocol)))
    coherent(seen)
    assert dict(seen.failed) == {case.status: 50}


def test_no_answer_is_a_timeout_and_no_more(case: Case) -> None:
    with serving(case.script, case.modes["hang"]) as peer:
        seen = sent(order(peer, requested(case.protocol), timeout=0.3))
    coherent(seen)
    assert dict(seen.failed) == {"timeout": 50}


def test_a_connection_that_breaks_under_a_request_is_a_reset(case: Case) -> None:
    with serving(case.script, case.modes["cut"]) as peer:
        seen = sent(order(peer, requested(case.protocol)))
    coherent(seen)
    assert dict(seen.failed) == {"reset": 50}


def test_no_more_requests_are_open_than_the_order_allows(case: Case) -> None:
    with serving(case.script, case.modes["hang"]) as peer:
        seen = sent(order(peer, requested(case.protocol), timeout=0.3, outstanding=3, lead_count=0))
    assert int((seen.sent_late >= 0).sum()) <= 3 * 3
    assert dict(seen.failed) == {"timeout": 50}


def test_a_hopeless_load_ends_at_once(case: Case) -> None:
    with serving(case.script, case.modes["status"]) as peer:
        seen = sent(order(peer, requested(case.protocol), rate=50.0, count=5000, hopeless_failures=10))
    coherent(seen)
    assert seen.ended_early
    assert 10 < len(seen.latency) < 500


@pytest.mark.parametrize("case", CASES[:2], indirect=True, ids=lambda case: case.protocol)
def test_several_workers_send_one_load_in_turn(case: Case) -> None:
    """Of two payloads, of which the second expects another answer, each of two workers sends one."""
    with serving(case.script, case.modes["ok"]) as peer:
        whole = order(peer, requested(case.protocol))
        good = sent(whole).lengths.most_common(1)[0][0]
        both = replace(whole, payloads=whole.payloads * 2, answer_lengths=(good, good + 1))
        shares = [sent(replace(both, shard=shard, shards=2, count=25, lead_count=2)) for shard in (0, 1)]
    assert [dict(seen.failed) for seen in shares] == [{}, {"length": 25}]


def test_the_generator_runs_every_protocol(case: Case, locust: LocustGenerator) -> None:
    with serving(case.script, case.modes["ok"]) as peer:
        plan = LoadPlan(
            endpoint=peer.endpoint,
            requests=(requested(case.protocol),),
            arrivals="poisson",
            rate=100.0,
            duration=0.5,
            seed=1,
            timeout=5.0,
            bounds=((50.0, 5.0),),
            token_bounds=(5.0, 5.0),
        )
        result = locust.run(plan)
    assert (result.answered, result.failed, result.over) == (50, {}, (0,))
    assert (result.tokens is not None) == (case.protocol == "stream")
    if result.tokens is not None:
        assert (result.tokens.count, result.tokens.good) == (250, 50)
        assert result.tokens.rate == pytest.approx(5 * result.answered_rate)


@pytest.mark.parametrize(
    ("mode", "failed", "lengths"),
    [
        ("few", {}, {60: 50}),
        ("closing", {}, {60: 50}),
        ("large", {}, {1 << 20: 50}),
        ("judged", {}, {60: 50}),
        ("early", {}, {60: 50}),
        ("rst", {"reset": 50}, {}),
        ("prefix", {"malformed": 50}, {}),
        ("noend", {"malformed": 50}, {}),
        ("http", {"http-503": 50}, {}),
        ("mute", {"timeout": 50}, {}),
        ("silent", {"timeout": 50}, {}),
        ("flood", {"timeout": 50}, {}),
    ],
)
def test_calls(mode: str, failed: dict[str, int], lengths: dict[int, int]) -> None:
    timeout = 0.5 if "timeout" in failed else 10.0
    with serving("call_server.py", mode) as peer:
        seen = sent(order(peer, requested("grpc"), timeout=timeout, lead_count=6))
    assert dict(seen.failed) == failed
    assert dict(seen.lengths) == lengths
    if peer.said:
        assert peer.said.split(" ", 1)[1].strip() == "[]", "the server found fault with the client"


def test_calls_larger_than_the_servers_windows_wait_for_it() -> None:
    with serving("call_server.py", "judged") as peer:
        seen = sent(order(peer, requested("grpc", 40_000), rate=50.0, count=20, lead_count=0, timeout=60.0))
    assert not seen.failed
    assert peer.said.split(" ", 1) == ["20", "[]\n"]


def test_a_server_that_goes_away_loses_only_what_it_had_not_begun() -> None:
    with serving("call_server.py", "goaway") as peer:
        seen = sent(order(peer, requested("grpc"), count=100, rate=200.0))
    assert seen.failed.keys() <= {"reset"}
    assert sum(seen.failed.values()) <= 5 * 32
    assert peer.said.endswith("[]\n")


def test_a_message_of_another_length_is_a_failure() -> None:
    with serving("call_server.py", "length") as peer:
        seen = sent(order(peer, requested("grpc"), answer_lengths=(60,), lead_count=0))
    assert dict(seen.failed) == {"length": 5}


def test_a_connection_that_hears_nothing_is_left_for_a_new_one() -> None:
    """The calls of a second load do not follow those of the first onto a connection that is dead."""
    with serving("call_server.py", "silent") as peer:
        asked = order(peer, requested("grpc"), timeout=0.2, count=10, lead_count=0)
        assert dict(sent(asked, times=3).failed) == {"timeout": 10}


@pytest.mark.parametrize(
    ("mode", "tokens", "failed"),
    [
        ("ok", 250, {}),
        ("pieces", 250, {}),
        ("joined", 250, {}),
        ("lines", 250, {}),
        ("closing", 250, {}),
        ("usage", 600, {}),
        ("error", 0, {"error": 50}),
        ("named", 0, {"error": 50}),
        ("short", 0, {"cut": 50}),
        ("empty", 0, {"empty": 50}),
        ("json", 0, {"shape": 50}),
        ("more", 0, {"malformed": 50}),
        ("garbage", 0, {"malformed": 50}),
        ("noend", 0, {"timeout": 50}),
    ],
)
def test_streams(mode: str, tokens: int, failed: dict[str, int]) -> None:
    timeout = 0.5 if "timeout" in failed else 10.0
    with serving("stream_server.py", mode) as peer:
        seen = sent(order(peer, requested("stream"), timeout=timeout))
    assert dict(seen.failed) == failed
    assert seen.tokens is not None
    assert int(seen.tokens.count.sum()) == tokens
    good = seen.latency >= 0
    assert ((seen.tokens.first >= 0) == good).all()
    assert (seen.tokens.first[good] <= seen.tokens.last[good]).all()
    assert (seen.tokens.last[good] <= seen.latency[good] + 1e-9).all()
    assert len(seen.tokens.gaps) == 4 * int(good.sum())


def test_an_event_without_end_takes_bounded_memory() -> None:
    with serving("stream_server.py", "big") as peer:
        seen = sent(order(peer, requested("stream"), count=3, rate=2.0, lead_count=0, timeout=30.0))
    assert dict(seen.failed) == {"malformed": 3}


def test_times_of_tokens_are_those_of_the_server() -> None:
    """It waits 4 ms before each of five tokens."""
    with serving("stream_server.py", "ok") as peer:
        seen = sent(order(peer, requested("stream"), rate=20.0, count=20))
    assert seen.tokens is not None
    assert (seen.tokens.first > 0.004).all()
    assert (seen.tokens.last - seen.tokens.first > 0.012).all()
    assert seen.tokens.gaps.sum() == pytest.approx((seen.tokens.last - seen.tokens.first).sum())


NONE = np.array([])


@given(
    st.lists(st.tuples(st.floats(0.001, 5), st.floats(0.0, 5), st.integers(1, 500), st.booleans()), min_size=1),
    st.tuples(st.none() | st.floats(0.001, 5), st.none() | st.floats(0.0001, 1)),
)
def test_a_request_is_good_where_both_of_its_bounds_hold(
    rows: list[tuple[float, float, int, bool]], bounds: tuple[float | None, float | None]
) -> None:
    first = np.array([row[0] if row[3] else -1.0 for row in rows])
    last = np.array([row[0] + row[1] if row[3] else -1.0 for row in rows])
    count = np.array([row[2] if row[3] else 0 for row in rows], dtype=np.int64)
    seen = Observation(
        scheduled=np.arange(len(rows)) / 10,
        latency=last,
        sent_late=np.zeros(len(rows)),
        failed=Counter({"cut": sum(not row[3] for row in rows)}),
        lengths=Counter(),
        first=0.0,
        finished=10.0,
        ended_early=False,
        tokens=TokenObservation(first, last, count, NONE),
    )
    counted = tally(seen, planned=len(rows), rate=10.0, timeout=10.0, bounds=(), elapsed=10.0, token_bounds=bounds)
    assert counted.tokens is not None
    most_first, most_gap = (float("inf") if bound is None else bound for bound in bounds)
    expected = 0
    for begin, end, tokens in zip(first, last, count, strict=True):
        expected += bool(tokens and begin <= most_first and (end - begin) / max(tokens - 1, 1) <= most_gap)
    assert counted.tokens.good == expected
    assert counted.tokens.count == int(count.sum())
    assert counted.tokens.rate == pytest.approx(count.sum() / 10.0)


PEER = Peer(9)


def test_a_call_is_written_with_its_metadata_and_prefix() -> None:
    request = HttpRequest(protocol="grpc", path="/a.B/C", headers={"x-tenant": "blue"}, body=message(9))
    wire = wire_request(request, PEER.endpoint)
    assert re.fullmatch(rb"(?s)POST /a\.B/C HTTP/1\.1\r\nHost: .*x-tenant: blue\r\n.*te: trailers\r\n.*", wire)
    assert wire.endswith(b"\r\n\r\n\0\0\0\0\x09" + message(9))


@pytest.mark.parametrize("headers", [{"a": "b\r\nc: d"}, {"a b": "c"}, {":path": "/x"}])
def test_metadata_that_would_break_out_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(PermanentError, match="no HTTP header"):
        wire_request(HttpRequest(protocol="grpc", path="/a.B/C", headers=headers), PEER.endpoint)


def test_a_plan_has_one_protocol_and_a_stream_any_length() -> None:
    with pytest.raises(ValueError, match="of one protocol"):
        LoadPlan(
            endpoint=PEER.endpoint,
            requests=(requested("http"), requested("grpc")),
            arrivals="poisson",
            rate=1.0,
            duration=1.0,
            seed=1,
            timeout=1.0,
            bounds=(),
        )
    with pytest.raises(ValueError, match="no length"):
        HttpRequest(protocol="stream", path="/", answer_bytes=3)
    assert requested("stream").expecting(7).answer_bytes is None
    assert requested("grpc").expecting(7).answer_bytes == 7
