"""What every Backend does, whatever it runs servers on. A new backend joins by one more entry in ``CASES``."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tuner.engine.probe import fetch
from tuner.engine.protocol import Endpoint, Engine
from tuner.engine.simulator import SimulatorEngine
from tuner.engine.triton.engine import TritonEngine
from tuner.engine.workload import Resources, Workload
from tuner.space.assignment import Assignment
from tuner.trial.outcome import FailureKind
from tuner.trial.process import ProcessBackend
from tuner.trial.protocol import Backend, Server, TrialFailedError

TRITON_CONFIG = """
name: "echo"
backend: "python"
max_batch_size: 4
input [ { name: "x" data_type: TYPE_UINT8 dims: [ 8 ] } ]
output [ { name: "y" data_type: TYPE_UINT8 dims: [ 8 ] } ]
"""
TRITON_MODEL = """
import triton_python_backend_utils as pb_utils
class TritonPythonModel:
    def execute(self, requests):
        inputs = [pb_utils.get_input_tensor_by_name(request, "x").as_numpy() for request in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("y", array)]) for array in inputs]
"""


@dataclass(frozen=True)
class Place:
    """A backend with an engine that it can run, in a folder of the test's own."""

    backend: Backend
    engine: Engine
    workload: Workload
    model: Path

    def start(self, name: str = "0001") -> Server:
        return self.backend.start(self.engine, self.workload, self.model, name)


def process(folder: Path, start_timeout: float = 20.0) -> Backend:
    return ProcessBackend(folder / "trials", state=folder / "state", start_timeout=start_timeout, grace=1.0)


def simulator_on(make: Callable[..., Backend], folder: Path) -> Place:
    workload = Workload(image="example/simulator:1", resources=Resources(cpu=1, memory=256 * 2**20))
    return Place(make(folder), SimulatorEngine(), workload, folder)


def triton_on(make: Callable[..., Backend], folder: Path) -> Place:
    version = folder / "echo/1"
    version.mkdir(parents=True)
    (version / "model.py").write_text(TRITON_MODEL)
    files = {"/models/echo/config.pbtxt": TRITON_CONFIG}
    workload = Workload(image="example/triton:1", files=files, resources=Resources(cpu=1, memory=4 * 2**30))
    return Place(make(folder, 60.0), TritonEngine(), workload, folder / "echo")


CASES = [
    pytest.param((simulator_on, process), id="process-simulator"),
    pytest.param((triton_on, process), id="process-triton", marks=pytest.mark.real),
]


@pytest.fixture(params=CASES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    engine_on, make = request.param
    yield engine_on(make, tmp_path)
    assert make(tmp_path).reap() == 0


@pytest.fixture(params=[pytest.param(process, id="process")])
def make(request: pytest.FixtureRequest) -> Callable[..., Backend]:
    """A backend to run the simulator on, which misbehaves as it is told."""
    chosen: Callable[..., Backend] = request.param
    return chosen


def answers(endpoint: Endpoint) -> bool:
    return fetch(endpoint, "/v2/health/ready") is not None


def test_a_started_server_is_ready_until_it_is_stopped(place: Place) -> None:
    server = place.start()
    try:
        assert place.engine.ready(server.endpoint)
        assert (server.template is None) == (place.backend.name == "process")
        server.check()
        assert server.generator_cpus == place.backend.generator_cpus(place.workload.resources)
    finally:
        server.stop()
    assert not place.engine.ready(server.endpoint)
    server.stop()
    with pytest.raises(TrialFailedError):
        server.check()


def test_usage_grows_and_outlives_the_server(place: Place) -> None:
    server = place.start()
    try:
        early = server.usage()
        for _ in range(20):
            assert place.engine.statistics(server.endpoint)
        late = server.usage()
    finally:
        server.stop()
    seconds = [usage.cpu_seconds or 0.0 for usage in (early, late, server.usage())]
    memory = [usage.peak_memory or 0 for usage in (early, late, server.usage())]
    assert (sorted(seconds), sorted(memory)) == (seconds, memory)
    assert seconds[0] > 0
    assert 2**20 < memory[0] <= memory[-1] < 4 * 2**30


def test_an_observation_tells_of_the_time_between_its_ends(place: Place) -> None:
    server = place.start()
    try:
        with server.observe() as observation:
            for _ in range(20):
                assert place.engine.statistics(server.endpoint)
            seen = observation.end()
        whole = server.usage().cpu_seconds
    finally:
        server.stop()
    if seen.use is not None and seen.use.cpu_seconds is not None:
        assert 0 <= seen.use.cpu_seconds <= (whole or 0.0)
    if seen.interference is not None:
        assert seen.interference.elapsed > 0


def test_an_observation_of_a_server_that_ended_is_no_error(place: Place) -> None:
    server = place.start()
    with server.observe() as observation:
        server.stop()
        seen = observation.end()
    assert seen.use is None or (seen.use.cpu_seconds or 0.0) >= 0


def test_the_reference_load_runs_again_and_again(place: Place) -> None:
    with place.backend.reference(place.workload.resources) as load:
        runs = [load.run() for _ in range(3)]
    assert all(0 < run.speed.low <= run.speed.value <= run.speed.high for run in runs)
    assert len({run.cores for run in runs}) == 1


def test_servers_side_by_side_are_apart(place: Place) -> None:
    first = place.start("0001")
    try:
        second = place.start("0002")
        try:
            ports = [*first.endpoint.ports.model_dump().values(), *second.endpoint.ports.model_dump().values()]
            assert first.endpoint.host != second.endpoint.host or len(set(ports)) == 6
            second.stop()
            first.check()
            assert place.engine.ready(first.endpoint)
        finally:
            second.stop()
    finally:
        first.stop()


def test_reaping_leaves_living_servers_alone(place: Place) -> None:
    server = place.start()
    try:
        assert place.backend.reap() == 0
        server.check()
        assert place.engine.ready(server.endpoint)
    finally:
        server.stop()


def faulty(make: Callable[..., Backend], folder: Path, fault: str, start_timeout: float = 20.0) -> Place:
    place = simulator_on(lambda where: make(where, start_timeout), folder)
    workload = place.engine.apply(Assignment({"fault": fault}), place.workload)
    return Place(place.backend, place.engine, workload, folder)


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("exit-at-start", FailureKind.START, "exited before it was ready with code 3"),
        ("never-ready", FailureKind.START_TIMEOUT, "not ready after 2 s"),
        ("leak-at-start", FailureKind.OUT_OF_MEMORY, "memory limit of 256 MiB before it was ready"),
    ],
)
def test_a_start_that_fails_says_how(
    make: Callable[..., Backend], tmp_path: Path, fault: str, kind: FailureKind, words: str
) -> None:
    with pytest.raises(TrialFailedError) as caught:
        faulty(make, tmp_path, fault, 2.0 if kind is FailureKind.START_TIMEOUT else 20.0).start()
    assert caught.value.failed.failure is kind
    assert words in caught.value.failed.reason
    assert make(tmp_path).reap() == 0


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("die", FailureKind.DIED, "exited under load with code 3"),
        ("leak", FailureKind.OUT_OF_MEMORY, "memory limit of 256 MiB under load"),
    ],
)
def test_a_death_under_load_says_how(
    make: Callable[..., Backend], tmp_path: Path, fault: str, kind: FailureKind, words: str
) -> None:
    server = faulty(make, tmp_path, fault).start()
    try:
        with pytest.raises(TrialFailedError) as caught:
            load_until_it_fails(server)
        assert caught.value.failed.failure is kind
        assert words in caught.value.failed.reason
        with pytest.raises(TrialFailedError, match=r"under load"):
            server.check()
    finally:
        server.stop()


@pytest.mark.parametrize("fault", ["ignore-terminate", "leave-child"])
def test_stop_leaves_nothing_behind(make: Callable[..., Backend], tmp_path: Path, fault: str) -> None:
    server = faulty(make, tmp_path, fault).start()
    server.stop()
    assert not answers(server.endpoint)
    assert make(tmp_path).reap() == 0


def load_until_it_fails(server: Server) -> None:
    for _ in range(20_000):
        server.check()
        connection = http.client.HTTPConnection(server.endpoint.host, server.endpoint.ports.http, timeout=5)
        try:
            connection.request("POST", "/v2/models/simulator/infer", b"x")
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            continue
        finally:
            connection.close()
