"""The generator that sends: faults of servers, its own time, and a worker that never outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from tuner.engine.protocol import HttpRequest
from tuner.errors import PermanentError, TemporaryError
from tuner.load.arrivals import schedule
from tuner.load.generator import LocustGenerator
from tuner.load.histogram import decode
from tuner.load.protocol import LoadPlan

Serve = Callable[[str], Any]
Plan = Callable[..., LoadPlan]


@pytest.mark.parametrize(
    ("mode", "kinds"),
    [
        ("reset", {"reset"}),
        ("short", {"reset"}),
        ("garbage", {"malformed"}),
        ("hang", {"timeout"}),
        ("status", {"http-500"}),
    ],
)
def test_a_server_at_fault(locust: LocustGenerator, serve: Serve, plan: Plan, mode: str, kinds: set[str]) -> None:
    result = locust.run(plan(serve(mode).port, timeout=0.5 if mode == "hang" else 5.0))
    assert result.answered == 0
    assert set(result.failed) == kinds
    assert result.over == (100, 100)


@pytest.mark.parametrize("mode", ["http10", "chunked"])
def test_other_framings_are_answers_too(locust: LocustGenerator, serve: Serve, plan: Plan, mode: str) -> None:
    result = locust.run(plan(serve(mode).port))
    assert (result.answered, result.failed, result.answer_lengths) == (100, {}, {15: 100})


def test_nobody_listens(locust: LocustGenerator, serve: Serve, plan: Plan) -> None:
    server = serve("ok")
    server.stop()
    result = locust.run(plan(server.port))
    assert result.failed == {"refused": 100}


def test_an_answer_of_another_length_has_failed(locust: LocustGenerator, serve: Serve, plan: Plan) -> None:
    server = serve("length")
    request = HttpRequest(path="/", answer_bytes=15)
    told = locust.run(plan(server.port, requests=(request,)))
    assert told.failed == {"length": 10}
    assert told.over == (10, 10)
    untold = locust.run(plan(server.port))
    assert untold.answered == 100
    assert untold.answer_lengths == {15: 90, 16: 10}


def test_a_server_that_dies_under_load(locust: LocustGenerator, serve: Serve, plan: Plan) -> None:
    result = locust.run(plan(serve("last").port))
    assert result.answered == 20
    assert result.failed == {"reset": 80}


def test_requests_arrive_when_the_schedule_says(locust: LocustGenerator, serve: Serve, plan: Plan) -> None:
    """The server's own log against the schedule: nothing is missing, early, or later than the reported lateness."""
    server = serve("ok")
    asked = plan(server.port, rate=500.0, duration=2.0, seed=11)
    result = locust.run(asked)
    arrived = server.stop()
    scheduled = schedule("poisson", 1000, 0, 500.0, 11)
    assert len(arrived) == 1000
    delay = np.sort(arrived) - scheduled
    delay -= delay.min()
    latest = decode(result.lateness).get_max_value() / 1e6
    most = decode(result.histogram).get_max_value() / 1e6
    assert latest <= most
    assert delay.max() <= most + 0.005
    assert np.median(delay) < 0.02


def test_a_stalled_server_costs_bounded_connections(locust: LocustGenerator, serve: Serve, plan: Plan) -> None:
    """Beyond the cap requests wait in the generator, their clock running, and fail at their deadline."""
    server = serve("hang")
    result = locust.run(plan(server.port, rate=400.0, timeout=0.5, outstanding=16))
    assert result.failed == {"timeout": 200}
    assert decode(result.lateness).get_total_count() < 200
    server.stop()
    assert int(Path(f"{server.log}.peak").read_text()) <= 2 * 16


def test_waiting_for_a_connection_is_latency_not_lateness(locust: LocustGenerator, serve: Serve, plan: Plan) -> None:
    result = locust.run(plan(serve("slow").port, rate=400.0, timeout=5.0, outstanding=1))
    assert result.answered == 200
    assert decode(result.histogram).get_max_value() / 1e6 > 0.4
    assert decode(result.lateness).get_total_count() < 200
    assert decode(result.lateness).get_max_value() / 1e6 < 0.4


def test_connections_are_used_again(locust: LocustGenerator, serve: Serve, plan: Plan) -> None:
    server = serve("ok")
    locust.run(plan(server.port, arrivals="constant", rate=50.0))
    locust.run(plan(server.port, arrivals="constant", rate=50.0))
    worker = psutil.Process(locust.pid)
    opened = [connection for connection in worker.net_connections("tcp") if connection.raddr.port == server.port]
    assert 1 <= len(opened) <= 10


def test_locust_never_reaches_this_process(locust: LocustGenerator) -> None:
    assert locust.pid is not None
    assert "locust" not in sys.modules
    assert "gevent.monkey" not in sys.modules or not sys.modules["gevent.monkey"].is_module_patched("socket")


def test_the_worker_runs_where_it_is_told(serve: Serve, plan: Plan) -> None:
    core = max(os.sched_getaffinity(0))
    with LocustGenerator(cpus=[core]) as generator:
        generator.run(plan(serve("ok").port))
        assert psutil.Process(generator.pid).cpu_affinity() == [core]


def test_the_worker_is_as_urgent_among_sessions_as_among_processes(locust: LocustGenerator) -> None:
    """Where Linux groups processes by session, niceness says nothing to processes of other sessions."""
    group = Path(f"/proc/{locust.pid}/autogroup")
    if not group.exists() or " nice " not in (told := group.read_text()):
        return
    assert int(told.split()[-1]) == psutil.Process(locust.pid).nice()


def test_a_killed_worker_is_temporary_and_replaced(serve: Serve, plan: Plan) -> None:
    with LocustGenerator() as generator:
        first = generator.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        with pytest.raises(TemporaryError, match="the load generator stopped"):
            generator.run(plan(serve("ok").port))
        assert generator.run(plan(serve("ok").port)).answered == 100
        assert generator.pid != first


def test_a_worker_that_runs_out_of_descriptors_is_no_fault_of_the_server(serve: Serve, plan: Plan) -> None:
    import resource

    port = serve("hang").port
    with LocustGenerator() as generator:
        assert generator.pid is not None
        resource.prlimit(generator.pid, resource.RLIMIT_NOFILE, (40, 40))
        with pytest.raises(TemporaryError, match="Too many open files"):
            generator.run(plan(port, rate=1000.0))


def test_close_ends_the_worker_and_may_be_repeated() -> None:
    generator = LocustGenerator()
    with generator:
        worker = psutil.Process(generator.pid)
    generator.close()
    assert generator.pid is None
    assert not worker.is_running()


def test_a_request_that_would_break_its_line_is_refused(locust: LocustGenerator, plan: Plan) -> None:
    for request in (
        HttpRequest(path="/a b"),
        HttpRequest(path="/", method="GET / HTTP/1.1\r\nX"),
        HttpRequest(path="/", headers={"X": "a\r\nY: b"}),
        HttpRequest(path="/", headers={"X: y\r\nZ": "a"}),
    ):
        with pytest.raises(PermanentError, match="mend the engine's requests"):
            locust.run(plan(1, requests=(request,)))


PARENT = """
import sys
from tuner.engine.protocol import Endpoint, HttpRequest, Ports
from tuner.load.generator import LocustGenerator
from tuner.load.protocol import LoadPlan
endpoint = Endpoint(host="127.0.0.1", ports=Ports(http=int(sys.argv[1]), grpc=1, metrics=1))
with LocustGenerator() as generator:
    print(generator.pid, flush=True)
    if sys.argv[2] == "loading":
        generator.run(LoadPlan(endpoint=endpoint, requests=(HttpRequest(path="/"),), arrivals="poisson", rate=100,
                               duration=600, seed=1, timeout=60, bounds=()))
    else:
        sys.stdin.read()
"""


@pytest.mark.parametrize("state", ["idle", "loading"])
def test_a_killed_parent_leaves_no_worker(serve: Serve, state: str, tmp_path: Path) -> None:
    argv = [sys.executable, "-c", PARENT, str(serve("ok").port), state]
    parent = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdin is not None
    worker = psutil.Process(int(parent.stdout.readline()))
    if state == "loading":
        assert until(lambda: any(c.raddr for c in worker.net_connections("tcp")))
    parent.kill()
    parent.wait()
    gone = until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)
    parent.stdout.close()
    parent.stdin.close()
    assert gone


def until(true: Callable[[], bool], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.02)
    return False


STATISTICS = """
import sys
from locust.env import Environment
from locust.stats import setup_distributed_stats_event_listeners
from tuner.load.order import Order
from tuner.load.sender import Sender
from tuner.load.statistics import report
environment = Environment()
setup_distributed_stats_event_listeners(environment.events, environment.stats)
payload = b"POST /v2/x HTTP/1.1\\r\\nContent-Length: 0\\r\\n\\r\\n"
order = Order(host="127.0.0.1", port=int(sys.argv[1]), payloads=(payload,), arrivals="constant", rate=200.0, count=100,
              lead_count=0, seed=1, timeout=1.0, bounds=(), hopeless_after=None, hopeless_failures=None,
              answer_lengths=(15,), outstanding=10)
sender = Sender()
report(environment, order, *sender.run(order))
sender.close()
entry = environment.stats.get("/v2/x", "POST")
print(entry.num_requests, entry.num_failures, environment.stats.total.num_requests, sum(entry.response_times.values()))
print([(error.name, error.error, error.occurrences) for error in environment.stats.errors.values()])
"""


def test_locusts_own_statistics_see_the_load(serve: Serve) -> None:
    argv = [sys.executable, "-c", STATISTICS, str(serve("length").port)]
    told = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
    assert told == ["100 10 100 100", "[('/v2/x', 'length', 10)]"]
