"""Several workers send one schedule: the union is the schedule, the counts are those of one, nothing is left over."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.null_server import NullServer
from tuner.engine.protocol import HttpRequest
from tuner.errors import TemporaryError
from tuner.load.arrivals import Diurnal, Gamma, Trace, schedule
from tuner.load.board import Board
from tuner.load.generator import LocustGenerator
from tuner.load.histogram import decode
from tuner.load.order import Order
from tuner.load.protocol import LoadPlan
from tuner.load.shards import gather, share_of
from tuner.load.tally import Observation, TokenObservation, tally
from tuner.load.wire import Package, Shelf, WantedError, decode_order, decode_seen, encode_order, encode_seen, unframed

Plan = Callable[..., LoadPlan]
Serve = Callable[[str], Any]
HEADER = 12


@pytest.fixture
def null() -> Iterator[NullServer]:
    with NullServer() as server:
        yield server


def an_order(**changed: Any) -> Order:
    usual: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": 80,
        "payloads": (b"a", b"bb", b"ccc"),
        "arrivals": "poisson",
        "rate": 100.0,
        "count": 50,
        "lead_count": 7,
        "seed": 3,
        "timeout": 1.0,
        "bounds": (0.1, 0.2),
        "hopeless_after": (3, 4),
        "hopeless_failures": None,
        "answer_lengths": (1, None, 3),
        "outstanding": 64,
    }
    return Order(**{**usual, **changed})


def seen_by(order: Order, latency: np.ndarray, *, tokens: bool = False) -> Observation:
    """What a sender of the order would see, its requests answered after these latencies."""
    times = schedule(order.arrivals, order.count, order.lead_count, order.rate, order.seed)
    counted = times[order.lead_count :]
    failed = latency < 0
    return Observation(
        scheduled=counted,
        latency=latency,
        sent_late=np.abs(latency) / 100,
        failed=Counter({"reset": int(failed.sum())} if failed.any() else {}),
        lengths=Counter({15: int((~failed).sum())}),
        first=order.lead_count / order.rate,
        finished=float((counted + np.abs(latency)).max()) if len(counted) else 0.0,
        ended_early=False,
        tokens=TokenObservation(latency / 2, latency, np.arange(len(latency)), latency) if tokens else None,
    )


@given(st.integers(1, 60), st.integers(0, 20), st.integers(1, 5), st.integers(0, 2**31))
def test_what_the_workers_send_is_the_schedule(count: int, lead: int, shards: int, seed: int) -> None:
    whole = an_order(count=count, lead_count=lead, seed=seed)
    times = schedule("poisson", count, lead, 100.0, seed)
    shares = [
        share_of(an_order(count=count, lead_count=lead, seed=seed, shard=k, shards=shards)) for k in range(shards)
    ]
    sent = [schedule(share.arrivals, share.count, share.lead_count, share.rate, share.seed) for share in shares]
    assert [len(part) for part in sent] == [share.count + share.lead_count for share in shares]
    assert sum(share.lead_count for share in shares) == lead
    for number, part in enumerate(sent):
        assert (part == times[number::shards]).all()
    assert whole.payloads == shares[0].payloads


@given(st.integers(10, 200), st.integers(0, 20), st.integers(2, 5), st.integers(0, 2**31))
def test_merged_counts_are_those_of_one_worker(count: int, lead: int, shards: int, seed: int) -> None:
    """Whatever each request's latency: one worker or several, the same tally, histogram for histogram."""
    whole = an_order(count=count, lead_count=lead, seed=seed)
    latency = np.random.default_rng(seed).exponential(0.1, count)
    latency[:: max(count // 5, 1)] = -1.0
    parts = []
    for number in range(shards):
        share = share_of(an_order(count=count, lead_count=lead, seed=seed, shard=number, shards=shards))
        own = latency[np.arange(lead, lead + count) % shards == number]
        parts.append(seen_by(share, own, tokens=True))
    limits: dict[str, Any] = {"planned": count, "rate": 100.0, "timeout": 1.0, "bounds": (0.1, 0.2), "elapsed": 1.0}
    single = tally(seen_by(whole, latency), **limits)
    merged = gather(whole, parts)
    assert (merged.latency == latency).all()
    assert merged.tokens is not None
    assert (merged.tokens.last == latency).all()
    assert len(merged.tokens.gaps) == count
    assert tally(Observation(**{**fields_of(merged), "tokens": None}), **limits) == single


def fields_of(seen: Observation) -> dict[str, Any]:
    return {name: getattr(seen, name) for name in Observation.__slots__}


@given(st.lists(st.floats(-1, 10), max_size=30), st.booleans())
def test_what_was_seen_survives_the_pipe(latency: list[float], tokens: bool) -> None:
    seen = seen_by(an_order(count=len(latency), lead_count=0), np.array(latency), tokens=tokens)
    sent = encode_seen(seen, 1.5)
    header = int.from_bytes(sent[:4], "big")
    received, elapsed = decode_seen(unframed(sent[HEADER : HEADER + header], sent[HEADER + header :]))
    assert elapsed == 1.5
    assert (received.latency == seen.latency).all()
    assert (received.scheduled == seen.scheduled).all()
    assert (received.failed, received.lengths, received.finished) == (seen.failed, seen.lengths, seen.finished)
    assert (received.tokens is None) is not tokens
    if received.tokens is not None and seen.tokens is not None:
        assert (received.tokens.count == seen.tokens.count).all()


@pytest.mark.parametrize("arrivals", ["poisson", "constant", Gamma(2.0), Diurnal(0.5, 3.0), Trace.of([0.0, 1.0, 5.0])])
def test_an_order_survives_the_pipe(arrivals: Any) -> None:
    order = an_order(arrivals=arrivals, shard=1, shards=2, start=12.5)
    payloads = Package.of(order.payloads)
    trace = Package.of([arrivals.times]) if isinstance(arrivals, Trace) else None
    sent = encode_order(order, payloads, trace)
    assert len(sent) < 1000
    header, _ = unframed(sent[HEADER:], b"")
    shelf = Shelf()
    for package in (payloads, trace):
        if package is not None:
            with pytest.raises(WantedError, match=package.digest):
                decode_order(header, shelf)
            put(shelf, package)
    assert decode_order(header, shelf) == order


def put(shelf: Shelf, package: Package) -> None:
    sent = package.frame()
    header = int.from_bytes(sent[:4], "big")
    shelf.keep(unframed(sent[HEADER : HEADER + header], sent[HEADER + header :]))


def test_a_shelf_is_bounded_and_keeps_what_was_used_last() -> None:
    shelf = Shelf(largest=250)
    first, second, third = (Package.of([letter * 100]) for letter in (b"a", b"b", b"c"))
    put(shelf, first)
    put(shelf, second)
    shelf.take(first.digest)
    put(shelf, third)
    assert shelf.size == 200
    assert shelf.take(first.digest) == (b"a" * 100,)
    with pytest.raises(WantedError):
        shelf.take(second.digest)
    put(shelf, Package.of([b"d" * 1000]))
    assert shelf.size == 1000


def test_packages_of_other_cuts_are_other_packages() -> None:
    assert Package.of([b"ab", b"c"]).digest != Package.of([b"a", b"bc"]).digest


def test_workers_see_what_all_of_them_count() -> None:
    memory = Board.memory(2)
    one, other = Board(memory, 2, 0), Board(memory, 2, 1)
    assert one.together((1, 2)) == [1, 2]
    assert other.together((10, 20)) == [11, 22]
    assert one.together((2, 3)) == [12, 23]
    one.clear()
    assert other.together((0, 1)) == [0, 1]
    os.close(memory)


@pytest.mark.parametrize("workers", [1, 2])
def test_requests_arrive_as_scheduled(
    locust: LocustGenerator, pair: LocustGenerator, null: NullServer, plan: Plan, workers: int
) -> None:
    """The union of what two workers send is the one schedule: none is missing, and none came later than is reported.

    A request comes before it is answered, so the delays that the server saw are within the latencies.
    """
    asked = plan(null.port, rate=1000.0, duration=1.0, lead=0.1, seed=11, arrivals=Gamma(2.0))
    before = time.monotonic()
    result = (locust, pair)[workers - 1].run(asked)
    arrived = null.arrivals()
    scheduled = schedule(Gamma(2.0), 1000, 100, 1000.0, 11)
    assert result.answered == 1000
    assert len(arrived) == 1100
    assert arrived[0] > before
    delay = np.sort(arrived) - scheduled
    delay -= delay.min()
    latency = decode(result.histogram)
    assert delay[100:].max() <= latency.get_max_value() / 1e6 + 0.005
    assert np.median(delay[100:]) <= latency.get_value_at_percentile(50) / 1e6 + 0.005


def test_one_worker_or_two_measure_the_same(
    locust: LocustGenerator, pair: LocustGenerator, serve: Serve, plan: Plan
) -> None:
    """A server for 200 requests/s under 400/s: each waits for all before it, so the schedule says how long."""
    asked = plan(serve("slow").port, arrivals="constant", rate=400.0, duration=0.5, bounds=((50.0, 0.25), (99.0, 2.0)))
    single, double = (generator.run(asked) for generator in (locust, pair))
    for result in (single, double):
        assert (result.answered, result.failed) == (200, {})
        assert [window.scheduled for window in result.windows] == [20] * 10
        histogram = decode(result.histogram)
        assert histogram.get_total_count() == 200
        assert histogram.get_value_at_percentile(50) / 1e6 == pytest.approx(0.255, rel=0.2)
        assert histogram.get_value_at_percentile(99) / 1e6 == pytest.approx(0.5, rel=0.2)


def test_payloads_keep_their_turn(pair: LocustGenerator, serve: Serve, plan: Plan) -> None:
    """Every tenth answer is a byte too long, and it is the whole schedule's tenth, whoever sent it."""
    requests = tuple(HttpRequest(path=f"/{number}", body=b"x" * number) for number in range(3))
    result = pair.run(plan(serve("length").port, requests=requests))
    assert result.answer_lengths == {15: 90, 16: 10}


def test_a_hopeless_load_ends_for_all_workers(pair: LocustGenerator, serve: Serve, plan: Plan) -> None:
    """Neither worker alone sees as many misses as it takes: together they do, long before the end."""
    asked = plan(serve("hang").port, rate=200.0, duration=20.0, timeout=30.0, hopeless_after=(30, 30))
    result = pair.run(asked)
    assert result.ended_early
    assert result.scheduled < 1000
    assert result.elapsed < 10
    assert result.over[0] == result.scheduled == result.failures


def test_locusts_master_counts_the_load(null: NullServer, plan: Plan) -> None:
    with LocustGenerator(workers=2) as generator:
        generator.run(plan(null.port))
        generator.run(plan(null.port))
        assert until(lambda: generator.statistics() == {"requests": 200, "failures": 0})


@pytest.mark.parametrize("module", ["tuner.load.worker", "tuner.load.master"])
def test_a_process_that_dies_ends_everything(serve: Serve, plan: Plan, module: str) -> None:
    others = set(psutil.Process().children())
    with LocustGenerator(workers=2) as generator:
        processes = set(psutil.Process().children()) - others
        assert len(processes) == 3
        next(process for process in processes if module in process.cmdline()).kill()
        with pytest.raises(TemporaryError, match="the load generator stopped"):
            generator.run(plan(serve("ok").port))
        assert not any(process.is_running() for process in processes)
        assert generator.run(plan(serve("ok").port)).answered == 100


PARENT = """
import sys
from tuner.engine.protocol import Endpoint, HttpRequest, Ports
from tuner.load.generator import LocustGenerator
from tuner.load.protocol import LoadPlan
endpoint = Endpoint(host="127.0.0.1", ports=Ports(http=int(sys.argv[1]), grpc=1, metrics=1))
with LocustGenerator(workers=2) as generator:
    print(*generator.pids, flush=True)
    if sys.argv[2] == "loading":
        generator.run(LoadPlan(endpoint=endpoint, requests=(HttpRequest(path="/"),), arrivals="poisson", rate=100,
                               duration=600, seed=1, timeout=60, bounds=()))
    else:
        sys.stdin.read()
"""


@pytest.mark.parametrize("state", ["starting", "idle", "loading"])
def test_a_killed_parent_leaves_no_process(null: NullServer, state: str) -> None:
    argv = [sys.executable, "-c", PARENT, str(null.port), state]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        if state == "starting":
            assert until(lambda: len(psutil.Process(parent.pid).children()) == 3)
        else:
            parent.stdout.readline()
        children = psutil.Process(parent.pid).children()
        assert len(children) == 3
        if state == "loading":
            server = psutil.Process(null.pid)
            assert until(lambda: any(c.raddr for c in server.net_connections("tcp")))
        parent.kill()
    assert until(lambda: not any(alive(child) for child in children))


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def until(true: Callable[[], bool], seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.02)
    return False


def test_a_stalled_server_costs_bounded_memory(plan: Plan) -> None:
    """Two seconds without an answer at 4,000 requests/s of 50 kB: what waits is a number each, not a body."""
    with NullServer(stall=(2.0, 0.2)) as server, LocustGenerator(workers=1) as generator:
        body = HttpRequest(path="/", body=b"x" * 50_000)
        asked = plan(server.port, rate=4000.0, duration=0.1, requests=(body,), outstanding=256, timeout=10.0)
        generator.run(asked)
        before = psutil.Process(generator.pid).memory_info().rss
        result = generator.run(asked.model_copy(update={"duration": 2.5}))
        grown = psutil.Process(generator.pid).memory_info().rss - before
    assert result.planned == 10_000
    assert result.scheduled == 10_000
    assert decode(result.histogram).get_max_value() / 1e6 > 1.5
    assert grown < 64 * 2**20
