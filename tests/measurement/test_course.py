"""The course of a measurement, in simulated time and on a real server."""

from __future__ import annotations

import json
import math
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import pytest

from tuner.engine.protocol import Endpoint, HttpRequest, Ports
from tuner.engine.simulator import CONFIG, SimulatorEngine
from tuner.engine.workload import Workload
from tuner.errors import TemporaryError
from tuner.load.generator import LocustGenerator
from tuner.load.protocol import LoadGenerator, LoadPlan, LoadResult
from tuner.load.simulated import SimulatedGenerator, SimulatedServer
from tuner.measurement.course import measure
from tuner.measurement.model import Judgement, Measurement
from tuner.spec.model import Load, Search, Slo

QUEUE = SimulatedServer(service=0.001, overhead=0.0005)


class Measure(Protocol):
    def __call__(self, generator: LoadGenerator, **changes: Any) -> Measurement: ...


@pytest.fixture
def course(endpoint: Endpoint, requests: tuple[HttpRequest, ...], slo: Slo, load: Load, search: Search) -> Measure:
    def run(generator: LoadGenerator, **changes: Any) -> Measurement:
        usual: dict[str, Any] = {"slo": slo, "load": load, "search": search, "seed": 1, "check": lambda: None}
        arguments = {**usual, **changes}
        place = arguments.pop("endpoint", endpoint)
        sent = arguments.pop("requests", requests)
        return measure(generator, place, sent, **arguments)

    return run


def test_a_measurement_tells_what_it_saw(course: Measure) -> None:
    generator = SimulatedGenerator(QUEUE)
    measurement = course(generator, at_rate=500.0)
    assert measurement.capacity is not None
    assert measurement.capacity.rate.low < 953 < measurement.capacity.rate.high
    assert measurement.unloaded["p50"] == pytest.approx(0.0015, rel=0.01)
    assert measurement.reason == ""
    assert measurement.doubt is None
    assert 0 < measurement.warm_up < measurement.elapsed < 40
    assert Judgement.FAIL in {point.judgement for point in measurement.curve}
    assert measurement.at_rate is not None
    assert (measurement.at_rate.rate, measurement.at_rate.judgement) == (500.0, Judgement.PASS)
    assert measurement.failures is not None
    assert (measurement.failures.value, measurement.failures.low) == (0.0, 0.0)
    assert 0 < measurement.failures.high < 0.005
    assert Measurement.model_validate_json(measurement.model_dump_json()) == measurement


def test_warm_up_does_not_count(course: Measure) -> None:
    """Every load of the curve comes after the warm-up, and each has a seed of its own."""
    generator = SimulatedGenerator(QUEUE)
    measurement = course(generator)
    assert len(generator.loads) > len(measurement.curve)
    assert len({plan.seed for plan in generator.loads}) == len(generator.loads)


def test_equal_seeds_measure_the_same(course: Measure) -> None:
    once, again, other = (course(SimulatedGenerator(QUEUE), seed=seed) for seed in (1, 1, 2))
    assert once == again
    assert once != other


def test_a_known_capacity_takes_less(course: Measure) -> None:
    whole = course(SimulatedGenerator(QUEUE))
    block = course(SimulatedGenerator(QUEUE), known=950.0)
    assert block.capacity is not None
    assert len(block.curve) <= len(whole.curve)
    assert block.unloaded == {}
    assert block.elapsed < 0.6 * whole.elapsed


def test_an_slo_tighter_than_the_unloaded_latency_ends_at_once(course: Measure) -> None:
    generator = SimulatedGenerator(SimulatedServer(service=0.02))
    measurement = course(generator, slo=Slo.model_validate({"latency": {"p99": "10ms"}}))
    assert measurement.capacity is None
    assert "the SLO is tighter than the unloaded latency (p50 20 ms" in measurement.reason
    assert measurement.curve[0].judgement is Judgement.FAIL
    assert measurement.elapsed < 4


def test_a_server_that_only_fails_says_how(course: Measure) -> None:
    measurement = course(SimulatedGenerator(SimulatedServer(service=0.001, failing=1.0)))
    assert measurement.capacity is None
    assert measurement.reason.startswith("no request was answered well: 10 of 10 requests failed (http-500 10)")


def test_too_many_errors_are_no_capacity(course: Measure) -> None:
    measurement = course(SimulatedGenerator(SimulatedServer(service=0.001, failing=0.05), seed=1))
    assert measurement.capacity is None
    assert "requests failed (http-500" in measurement.reason


def test_a_late_generator_is_never_a_result(course: Measure) -> None:
    measurement = course(SimulatedGenerator(QUEUE, lateness=0.02))
    assert measurement.capacity is None
    assert measurement.doubt is not None
    assert measurement.doubt.startswith("the load generator was the bottleneck")
    assert course(SimulatedGenerator(QUEUE, lateness=0.02), known=900.0).doubt is not None


def test_a_percentile_that_the_probe_cannot_certify_says_what_it_needs(course: Measure) -> None:
    """50 requests/s for 4 s are 200; p99 at 99 % confidence needs 459."""
    slow = Slo.model_validate({"latency": {"p99": "200ms"}})
    measurement = course(SimulatedGenerator(SimulatedServer(service=0.02)), slo=slow)
    assert measurement.capacity is None
    assert "below 114.8/s a probe of 4 s is too short to tell (search.probe)" in measurement.reason
    long = Search.model_validate({"probe": "60s"})
    longer = course(SimulatedGenerator(SimulatedServer(service=0.02)), slo=slow, search=long)
    assert longer.capacity is not None


def test_an_unsteady_machine_is_seen_in_the_doubt_or_the_interval(course: Measure) -> None:
    """A server whose speed changes by a third from load to load has no one capacity: the interval is wider.

    A single measurement sees little of it, as few loads contradict each other; the confirmation's blocks see it all.
    """

    def width(noise: float, seed: int) -> float:
        capacity = course(SimulatedGenerator(QUEUE, noise=noise, seed=seed), seed=seed).capacity
        return math.inf if capacity is None else capacity.rate.high / capacity.rate.low

    steady = median(width(0.0, seed) for seed in range(20))
    unsteady = sorted(width(0.3, seed) for seed in range(20))
    assert median(unsteady) > steady
    assert unsteady[-1] > 1.25 * steady


def test_check_runs_around_every_load_and_its_error_passes(course: Measure) -> None:
    calls: list[int] = []
    generator = SimulatedGenerator(QUEUE)
    course(generator, check=lambda: calls.append(1))
    assert len(calls) == 2 * len(generator.loads)

    class DiedError(Exception):
        pass

    def dies() -> None:
        if len(calls) >= 5:
            raise DiedError
        calls.append(1)

    calls.clear()
    with pytest.raises(DiedError):
        course(SimulatedGenerator(QUEUE), check=dies)


def test_a_broken_generator_passes_through(course: Measure) -> None:
    class Broken:
        def run(self, plan: LoadPlan) -> LoadResult:
            raise TemporaryError("the load generator stopped")

    with pytest.raises(TemporaryError):
        course(Broken())


def test_the_length_of_an_answer_is_learnt_before_it_counts(course: Measure) -> None:
    generator = SimulatedGenerator(QUEUE)
    course(generator)
    assert generator.loads[0].requests[0].answer_bytes is None
    assert generator.loads[-1].requests[0].answer_bytes == 1
    told = SimulatedGenerator(QUEUE)
    course(told, requests=(HttpRequest(path="/", answer_bytes=64),))
    assert {plan.requests[0].answer_bytes for plan in told.loads} == {64}


Serve = Callable[..., Endpoint]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """The simulator engine's own server process."""
    started: list[subprocess.Popen[bytes]] = []

    def start(**setup: object) -> Endpoint:
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
        numbers = [sock.getsockname()[1] for sock in sockets]
        for sock in sockets:
            sock.close()
        ports = Ports(http=numbers[0], grpc=numbers[1], metrics=numbers[2])
        engine = SimulatorEngine()
        workload = Workload(image="simulator", files={CONFIG: json.dumps(setup)})
        launch = engine.launch(workload, tmp_path, tmp_path, ports)
        started.append(subprocess.Popen(launch.argv, env=dict(launch.environment), stdin=subprocess.DEVNULL))
        deadline = time.monotonic() + 30
        while not engine.ready(launch.endpoint):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return launch.endpoint

    yield start
    for process in started:
        process.kill()
        process.wait()


QUICK = Search.model_validate({"probe": "2s", "precision": "10%"})
LENIENT = Slo.model_validate({"latency": {"p90": "400ms"}})
IMAGE = (HttpRequest(path="/v2/models/simulator/infer", body=b"\0" * 27_648, answer_bytes=64),)


def test_the_capacity_of_a_real_server(course: Measure, serve: Serve) -> None:
    """Batches of 8 in 20 ms and 2.5 ms an item: at most 200 requests/s, by the server's own formula."""
    endpoint = serve(base_us=20_000, item_us=2_500, max_batch_size=8)
    with LocustGenerator() as generator:
        measurement = course(generator, endpoint=endpoint, requests=IMAGE, slo=LENIENT, search=QUICK)
        block = course(
            generator, endpoint=endpoint, requests=IMAGE, slo=LENIENT, search=QUICK, known=190.0, at_rate=100.0
        )
    for found in (measurement, block):
        assert found.doubt is None
        assert found.capacity is not None
        assert found.capacity.certified is not None
        assert 100 < found.capacity.certified <= 215
    assert measurement.unloaded["p50"] > 0.0225
    assert block.at_rate is not None
    assert block.at_rate.judgement is not Judgement.FAIL
    assert block.at_rate.excess < 0


@pytest.mark.parametrize(("fault", "kind"), [("wrong-length", "length"), ("error", "http-500"), ("stall", "timeout")])
def test_a_real_server_at_fault_has_no_capacity(course: Measure, serve: Serve, fault: str, kind: str) -> None:
    endpoint = serve(fault=fault, fault_every=5)
    load = Load.model_validate(
        {"payload": {"samples": "s", "inputs": [{"name": "i", "datatype": "UINT8", "shape": [1]}]}, "timeout": "500ms"}
    )
    with LocustGenerator() as generator:
        measurement = course(generator, endpoint=endpoint, requests=IMAGE, slo=LENIENT, search=QUICK, load=load)
    assert measurement.capacity is None
    assert f"requests failed ({kind}" in measurement.reason
