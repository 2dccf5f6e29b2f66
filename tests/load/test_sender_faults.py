"""Servers that go wrong: every request gets its kind of failure, and the generator neither hangs nor grows."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.load.peers import Peer, order, requested, sent, serving
from tuner.engine.protocol import ClientProtocol, HttpRequest
from tuner.load.generator import LocustGenerator
from tuner.load.protocol import LoadPlan

EVERY: tuple[ClientProtocol, ...] = ("http", "grpc", "stream")


@pytest.mark.parametrize(
    ("mode", "failed"),
    [
        ("endless", {"timeout": 50}),
        ("huge", {"timeout": 50}),
        ("heads", {"malformed": 50}),
        ("deaf", {"timeout": 50}),
        ("unread", {"timeout": 50}),
        ("drip", {"timeout": 50}),
        ("twice", {"malformed": 50}),
        ("half", {"reset": 50}),
        ("shape", {"length": 50}),
        ("hint", {}),
        ("once", {}),
    ],
)
def test_a_server_that_goes_wrong(mode: str, failed: dict[str, int]) -> None:
    timeout = 0.6 if "timeout" in failed else 20.0
    rate = 250.0 if failed else 50.0
    with serving("fault_server.py", mode) as peer:
        seen = sent(order(peer, requested("http"), rate=rate, timeout=timeout, answer_lengths=(15,)))
    assert dict(seen.failed) == failed
    assert int((seen.latency >= 0).sum()) == 50 - sum(failed.values())


def test_a_slow_answer_counts_with_all_the_time_that_it_took() -> None:
    with serving("fault_server.py", "drip") as peer:
        seen = sent(order(peer, requested("http"), answer_lengths=(15,)))
    assert not seen.failed
    assert seen.latency.min() > 0.02 * 50


def test_a_server_that_answers_before_it_has_the_body_loses_nothing_else() -> None:
    """What is reset under the rest of a large body is a failure of that request alone."""
    with serving("fault_server.py", "early") as peer:
        seen = sent(order(peer, requested("http", 4_000_000), rate=50.0, count=25, lead_count=0))
    assert seen.failed.keys() <= {"reset"}
    assert len(seen.latency) == 25


@pytest.fixture(params=["grpc", "stream", "http"])
def nobody(request: pytest.FixtureRequest) -> Iterator[tuple[Peer, HttpRequest]]:
    """A port on which nobody listens, held so that nobody else takes it."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield Peer(holder.getsockname()[1]), requested(request.param)


def test_nobody_listens(nobody: tuple[Peer, HttpRequest]) -> None:
    peer, request = nobody
    assert dict(sent(order(peer, request)).failed) == {"refused": 50}


@pytest.mark.parametrize("protocol", EVERY)
@pytest.mark.parametrize(("mode", "kind"), [("unread", "timeout"), ("deaf", "timeout"), ("twice", "")])
def test_what_is_not_the_protocol_fails_and_never_hangs(protocol: ClientProtocol, mode: str, kind: str) -> None:
    with serving("fault_server.py", mode) as peer:
        seen = sent(order(peer, requested(protocol), timeout=0.5), times=2)
    kinds = {kind} if kind else {"malformed", "shape", "timeout", "reset"}
    assert seen.failed.keys() <= kinds
    assert sum(seen.failed.values()) == 50


@pytest.mark.parametrize("protocol", EVERY)
def test_a_stalled_server_costs_no_memory(protocol: ClientProtocol) -> None:
    """10,000 requests of 100 kB wait: a gigabyte if the generator kept bytes for each."""
    request = requested(protocol, 100_000)
    with serving("fault_server.py", "unread") as peer, LocustGenerator(workers=1) as generator:
        assert generator.pid is not None
        before = psutil.Process(generator.pid).memory_info().rss
        plan = LoadPlan(
            endpoint=peer.endpoint,
            requests=(request,),
            arrivals="poisson",
            rate=10_000.0,
            duration=1.0,
            seed=1,
            timeout=0.5,
            bounds=((99.0, 0.1),),
            outstanding=64,
        )
        result = generator.run(plan)
        grown = psutil.Process(generator.pid).memory_info().rss - before
    assert result.failed == {"timeout": 10_000}
    assert grown < 40_000_000


def test_no_descriptor_is_left(nobody: tuple[Peer, HttpRequest]) -> None:
    peer, request = nobody
    before = len(list(Path("/proc/self/fd").iterdir()))
    sent(order(peer, request), times=3)
    with serving("fault_server.py", "twice") as twice:
        sent(order(twice, request))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
