"""The simulator is a real server whose behaviour is known beforehand, the bad one too."""

from __future__ import annotations

import http.client
import json
import threading
import time
from pathlib import Path

import psutil
import pytest

from tests.engine.conftest import Running, Start, ask, eventually
from tuner.engine.protocol import HttpRequest
from tuner.engine.simulator import CONFIG, SimulatorEngine
from tuner.engine.simulator_server import ANSWER_BYTES, FAULTS
from tuner.engine.workload import Resources, Workload
from tuner.errors import UserError
from tuner.space.assignment import Assignment
from tuner.spec.model import Scalar

ENGINE = SimulatorEngine()
REQUEST = HttpRequest(path="/v2/models/any/infer", body=b"anything", answer_bytes=ANSWER_BYTES)


def workload(cpu: float = 1.0, **config: Scalar) -> Workload:
    return Workload(image="simulator", files={CONFIG: json.dumps(config)}, resources=Resources(cpu=cpu))


def ready(running: Running) -> bool:
    return eventually(lambda: ENGINE.ready(running.endpoint))


def test_capacity_is_the_formula() -> None:
    # one batch of 4 takes 2 ms + 4 · 0.5 ms = 4 ms
    assert ENGINE.capacity(workload(max_batch_size=4)) == pytest.approx(1000)
    assert ENGINE.capacity(workload(cpu=2, max_batch_size=4, instances=2, contention=0.0)) == pytest.approx(2000)
    # two instances on one core share it
    assert ENGINE.capacity(workload(cpu=1, max_batch_size=4, instances=2, contention=0.0)) == pytest.approx(1000)


def test_requests_are_served_in_batches(start: Start, tmp_path: Path) -> None:
    with start(ENGINE, workload(max_batch_size=8, queue_delay_us=200_000, base_us=1000), tmp_path) as running:
        assert ready(running)
        threads = [threading.Thread(target=ask, args=(running.endpoint, REQUEST)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        counted = ENGINE.statistics(running.endpoint)
    assert counted["answered"] == 8
    assert counted["batches"] < 8


def test_a_request_waits_at_least_its_service_time(start: Start, tmp_path: Path) -> None:
    with start(ENGINE, workload(base_us=50_000, item_us=0), tmp_path) as running:
        assert ready(running)
        before = time.monotonic()
        assert ask(running.endpoint, REQUEST)[0] == 200
        assert time.monotonic() - before >= 0.05


@pytest.mark.parametrize(("fault", "status", "length"), [("error", 500, None), ("wrong-length", 200, ANSWER_BYTES - 1)])
def test_it_answers_wrongly_when_told(
    start: Start, tmp_path: Path, fault: str, status: int, length: int | None
) -> None:
    with start(ENGINE, workload(fault=fault, fault_every=2), tmp_path) as running:
        assert ready(running)
        answers = [ask(running.endpoint, REQUEST) for _ in range(4)]
    assert [answer[0] for answer in answers] == [200, status, 200, status]
    assert len(answers[0][2]) == ANSWER_BYTES
    assert length is None or len(answers[1][2]) == length


def test_it_exits_at_start_when_told(start: Start, tmp_path: Path) -> None:
    with start(ENGINE, workload(fault="exit-at-start"), tmp_path) as running:
        assert running.exit_code() == 3
        assert "as told" in running.said()


def test_it_is_never_ready_when_told(start: Start, tmp_path: Path) -> None:
    with start(ENGINE, workload(fault="never-ready"), tmp_path) as running:
        assert eventually(lambda: "serving" in running.said())
        assert not ENGINE.ready(running.endpoint)
        assert running.process.poll() is None


def test_it_dies_under_load_when_told(start: Start, tmp_path: Path) -> None:
    with start(ENGINE, workload(fault="die", fault_after=3), tmp_path) as running:
        assert ready(running)
        for _ in range(3):
            assert ask(running.endpoint, REQUEST)[0] == 200
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            ask(running.endpoint, REQUEST)
        assert running.exit_code() == 3


@pytest.mark.parametrize("fault", ["leak", "leak-at-start"])
def test_it_takes_memory_when_told(start: Start, tmp_path: Path, fault: str) -> None:
    with start(ENGINE, workload(fault=fault, fault_after=0), tmp_path) as running:
        if fault == "leak":
            assert ready(running)
            ask(running.endpoint, REQUEST)
        process = psutil.Process(running.process.pid)
        assert eventually(lambda: bool(process.memory_info().rss > 200 << 20))


def test_a_connection_is_reset_when_told(start: Start, tmp_path: Path) -> None:
    with start(ENGINE, workload(fault="reset", fault_every=2), tmp_path) as running:
        assert ready(running)
        for _ in range(3):
            assert ask(running.endpoint, REQUEST)[0] == 200
            with pytest.raises(ConnectionResetError):
                ask(running.endpoint, REQUEST)


def test_a_missing_answer_is_missing(start: Start, tmp_path: Path) -> None:
    with start(ENGINE, workload(fault="stall", fault_every=2), tmp_path) as running:
        assert ready(running)
        assert ask(running.endpoint, REQUEST)[0] == 200
        thread = threading.Thread(target=lambda: _ask_quietly(running), daemon=True)
        thread.start()
        assert eventually(lambda: ENGINE.statistics(running.endpoint)["requests"] == 2)
        assert ENGINE.statistics(running.endpoint)["answered"] == 1


def _ask_quietly(running: Running) -> None:
    try:
        ask(running.endpoint, REQUEST)
    except OSError:
        return


def test_every_fault_is_explained() -> None:
    (fault,) = (parameter for parameter in ENGINE.parameters() if parameter.name == "fault")
    assert fault.domain.values == tuple(FAULTS)
    assert all(name in fault.description for name in FAULTS)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", f"{CONFIG}:1:2: not JSON"),
        ("[]", "is not a mapping"),
        ('{"instancess": 1}', "unknown key 'instancess'"),
        ('{"instances": true}', "has to be of type int"),
        ('{"instances": 0}', "at least 1"),
    ],
)
def test_a_broken_configuration_is_a_mistake(text: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint.replace(".", r"\.")):
        ENGINE.read(Workload(image="simulator", files={CONFIG: text}))


def test_fields_that_are_no_parameters_are_kept() -> None:
    before = workload(base_us=1234, instances=2)
    after = ENGINE.apply(Assignment({"instances": 3}), before)
    assert json.loads(after.files[CONFIG]) == {"base_us": 1234, "instances": 3}
