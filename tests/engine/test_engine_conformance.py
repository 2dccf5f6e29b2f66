"""What every engine has to do, on every engine that there is."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.conftest import Start, ask, eventually, free_ports
from tuner.engine.probe import fetch
from tuner.engine.protocol import Endpoint, Engine
from tuner.engine.simulator import CONFIG, SimulatorEngine
from tuner.engine.triton.configuration import Configuration
from tuner.engine.triton.engine import TritonEngine
from tuner.engine.triton.model_config import parse
from tuner.engine.workload import Workload
from tuner.space.assignment import Assignment
from tuner.space.parameter import Parameter
from tuner.spec.model import Payload, Scalar

PBTXT = "/models/text-orientation/config.pbtxt"
BARE = """\
name: "text-orientation"  # as the service is called
backend: "python"
max_batch_size: 1
input [ { name: "image" data_type: TYPE_UINT8 dims: [ 48, 192, 3 ] } ]
output [ { name: "orientation" data_type: TYPE_FP32 dims: [ 2 ] } ]
"""


@dataclass(frozen=True)
class Case:
    """One engine with a workload that says as little as it can."""

    engine: Engine
    bare: Workload
    reported: Callable[[Endpoint], Mapping[str, Scalar]]
    impossible: tuple[Assignment, ...]
    parameters: tuple[Parameter, ...]


def simulator_reports(endpoint: Endpoint) -> Mapping[str, Scalar]:
    return dict(json.loads(fetch(endpoint, "/configuration") or b"{}"))


def triton_reports(endpoint: Endpoint) -> Mapping[str, Scalar]:
    """The knobs in the configuration that the server says it runs with."""
    told = json.loads(fetch(endpoint, "/v2/models/text-orientation/config") or b"{}")
    message = json_format.ParseDict(told, parse("", "empty"))
    return Configuration("server", "", message).values()


def own(engine: Engine) -> tuple[Parameter, ...]:
    return tuple(parameter for parameter in engine.parameters() if parameter.target.engine)


def case_named(name: str) -> Case:
    if name == "simulator":
        engine: Engine = SimulatorEngine()
        impossible: tuple[dict[str, Scalar], ...] = (
            {"instances": 0},
            {"max_batch_size": "many"},
            {"fault": "unheard-of"},
            {"max_batch_size": 1, "queue_delay_us": 100},
        )
        bare = Workload(image="simulator", files={CONFIG: "{}\n"})
        reported = simulator_reports
    else:
        engine = TritonEngine()
        impossible = (
            {"max_batch_size": 0},
            {"instance_count": 1.5},
            {"execution_mode": "sideways"},
            {"dynamic_batching": 1},
            {"preferred_batch_size": "4,x"},
            {"max_batch_size": 4, "dynamic_batching": True, "preferred_batch_size": 8},
            {"dynamic_batching": False, "max_queue_delay_us": 100},
        )
        bare = Workload(image="triton", files={PBTXT: BARE})
        reported = triton_reports
    return Case(engine, bare, reported, tuple(map(Assignment, impossible)), own(engine))


ENGINES = ["simulator", pytest.param("triton", marks=pytest.mark.real)]


@pytest.fixture(params=ENGINES)
def case(request: pytest.FixtureRequest) -> Case:
    if request.param == "triton":
        request.getfixturevalue("triton_home")
    return case_named(request.param)


@pytest.fixture
def model(request: pytest.FixtureRequest, case: Case, tmp_path: Path) -> Path:
    if case.engine.name == "triton":
        found: Path = request.getfixturevalue("orientation_model")
        return found
    return tmp_path


@st.composite
def assignments(draw: st.DrawFn, case: Case) -> Assignment:
    """Any point of the engine's own space: every active parameter, or some of them, without conflicts."""
    values: dict[str, Scalar] = {}
    for parameter in case.parameters:
        if all(values.get(need.name) in need.values for need in parameter.when):
            domain = parameter.domain
            choices = (
                st.sampled_from(domain.values)
                if domain.values
                else st.integers(int(domain.low or 0), int(domain.high or 0))
            )
            values[parameter.name] = draw(choices)
    assignment = Assignment(values)
    return assignment if not case.engine.conflicts(assignment) else Assignment({})


@pytest.mark.parametrize("name", ["simulator", "triton"])
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_what_was_applied_is_what_is_read(name: str, data: st.DataObject) -> None:
    case = case_named(name)
    first, second = data.draw(assignments(case)), data.draw(assignments(case))
    workload = case.engine.apply(second, case.engine.apply(first, case.bare))
    read = case.engine.read(workload)
    assert {key: read[key] for key in second} == dict(second)
    assert {key: type(read[key]) for key in second} == {key: type(second[key]) for key in second}


@pytest.mark.parametrize("name", ["simulator", "triton"])
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_applying_again_changes_nothing(name: str, data: st.DataObject) -> None:
    case = case_named(name)
    assignment = data.draw(assignments(case))
    once = case.engine.apply(assignment, case.bare)
    assert case.engine.apply(assignment, once) == once


@pytest.mark.parametrize("name", ["simulator", "triton"])
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_applying_touches_nothing_but_the_engines_own_file(name: str, data: st.DataObject) -> None:
    case = case_named(name)
    (path,) = case.bare.files
    foreign = {"arguments": ("--model-repository=/models",), "environment": {"A": "b"}, "replicas": 3}
    workload = case.bare.model_copy(update={**foreign, "files": {**case.bare.files, "/etc/other": "max_batch_size: 9"}})
    applied = case.engine.apply(data.draw(assignments(case)), workload)
    restored = applied.model_copy(update={"files": {**applied.files, path: workload.files[path]}})
    assert restored == workload


def test_applying_what_is_there_already_keeps_the_text(case: Case) -> None:
    assert case.engine.apply(Assignment(case.engine.read(case.bare)), case.bare) is case.bare


def test_defaults_are_read_where_the_file_says_nothing(case: Case) -> None:
    read = case.engine.read(case.bare)
    assert {parameter.name: read[parameter.name] for parameter in case.parameters} == {
        parameter.name: parameter.default for parameter in case.parameters
    }


def test_names_and_conditions_are_consistent(case: Case) -> None:
    parameters = {parameter.name: parameter for parameter in case.engine.parameters()}
    assert len(parameters) == len(case.engine.parameters())
    for parameter in parameters.values():
        assert parameter.description.endswith(".")
        for need in parameter.when:
            assert need.name in parameters


def test_impossible_assignments_have_reasons(case: Case) -> None:
    for assignment in case.impossible:
        assert case.engine.conflicts(assignment), assignment


def test_the_defaults_have_no_conflict(case: Case) -> None:
    assert not case.engine.conflicts(Assignment(case.engine.read(case.bare)))


def test_a_started_server_runs_with_the_defaults(case: Case, model: Path, start: Start) -> None:
    with start(case.engine, case.bare, model) as running:
        assert eventually(lambda: case.engine.ready(running.endpoint)), running.said()
        reported = case.reported(running.endpoint)
    assert {name: reported[name] for name in (p.name for p in case.parameters)} == {
        parameter.name: parameter.default for parameter in case.parameters
    }


def test_a_server_starts_answers_counts_and_leaves_nothing(
    case: Case, model: Path, start: Start, payload: Payload, sample_folder: Path
) -> None:
    requests = case.engine.requests(payload, sample_folder, case.bare)
    assert len(requests) == 32
    with start(case.engine, case.bare, model) as running:
        assert eventually(lambda: case.engine.ready(running.endpoint)), running.said()
        status, _, body = ask(running.endpoint, requests[0])
        assert status == 200
        assert requests[0].answer_bytes in (None, len(body))
        assert any(value == 1 for value in case.engine.statistics(running.endpoint).values())
        members = [running.process.pid, *(c.pid for c in psutil.Process(running.process.pid).children(recursive=True))]
    assert eventually(lambda: not any(psutil.pid_exists(pid) and _alive(pid) for pid in members), 10)
    assert not case.engine.ready(running.endpoint)
    assert dict(case.engine.statistics(running.endpoint)) == {}
    for port in (running.endpoint.ports.http, running.endpoint.ports.grpc, running.endpoint.ports.metrics):
        socket.create_server(("127.0.0.1", port)).close()


def _alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_the_environment_of_a_server_inherits_nothing(
    case: Case, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET_OF_THE_TUNER", "hunter2")
    folder = tmp_path / "trial"
    folder.mkdir()
    launch = case.engine.launch(case.bare, model, folder, free_ports())
    assert "A_SECRET_OF_THE_TUNER" not in launch.environment
    assert "hunter2" not in " ".join(launch.argv)
