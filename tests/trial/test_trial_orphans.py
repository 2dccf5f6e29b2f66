"""A killed tuner leaves nothing: its keeper ends the server, and the next start reaps what escaped even that."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.trial.conftest import ScriptEngine, gone, until
from tuner.engine.probe import fetch
from tuner.engine.protocol import Endpoint
from tuner.engine.workload import Workload
from tuner.trial import process_table
from tuner.trial.orphans import TOKEN, Identity, Register, ServerRecord
from tuner.trial.process import ProcessBackend

TUNER = """
import json, os, sys, time
from pathlib import Path
from tests.trial.conftest import ScriptEngine
from tuner.engine.workload import Resources, Workload
from tuner.trial.process import ProcessBackend
folder, script = Path(sys.argv[1]), sys.argv[2]
backend = ProcessBackend(folder / "trials", state=folder / "state", grace=0.5)
server = backend.start(ScriptEngine(script), Workload(image="x", resources=Resources(cpu=1)), Path(), sys.argv[3])
print(json.dumps({"pids": server.pids, "keeper": server.keeper, "endpoint": server.endpoint.model_dump()}), flush=True)
time.sleep(600)
"""
FAMILY = """
child = subprocess.Popen(["/bin/sleep", "300"])
bare = subprocess.Popen(["/bin/sleep", "301"], env={})
apart = subprocess.Popen(["/bin/sleep", "302"], start_new_session=True)
serve()
"""


@dataclass(frozen=True)
class OtherTuner:
    """A tuner in a process of its own, with a server that is ready."""

    process: subprocess.Popen[bytes]
    keeper: int
    pids: tuple[int, ...]
    endpoint: Endpoint

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def tuners(tmp_path: Path) -> Iterator[list[OtherTuner]]:
    started: list[OtherTuner] = []
    yield started
    for other in started:
        other.kill()
        assert other.process.stdout is not None
        other.process.stdout.close()
        assert until(partial(all_gone, other))


def all_gone(other: OtherTuner) -> bool:
    return all(gone(pid) for pid in (*other.pids, other.keeper))


def another_tuner(tuners: list[OtherTuner], folder: Path, name: str = "0001") -> OtherTuner:
    root = Path(__file__).parent.parent.parent
    process = subprocess.Popen(
        [sys.executable, "-c", TUNER, str(folder), FAMILY, name],
        env={"PYTHONPATH": str(root), "PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    facts = json.loads(process.stdout.readline())
    endpoint = Endpoint.model_validate(facts["endpoint"])
    other = OtherTuner(process, facts["keeper"], tuple(facts["pids"]), endpoint)
    tuners.append(other)
    assert len(other.pids) == 4
    return other


def backend_of(folder: Path) -> ProcessBackend:
    return ProcessBackend(folder / "trials", state=folder / "state", grace=0.5)


def records(folder: Path) -> list[Path]:
    return list((folder / "state/servers").glob("*.json"))


def test_a_killed_tuner_takes_its_server_along_at_once(tmp_path: Path, tuners: list[OtherTuner]) -> None:
    other = another_tuner(tuners, tmp_path)
    assert len(records(tmp_path)) == 1
    other.kill()
    assert until(lambda: all(gone(pid) for pid in (*other.pids, other.keeper)))
    assert backend_of(tmp_path).reap() == 0
    assert not records(tmp_path)


def test_reaping_need_not_wait_for_the_keeper(tmp_path: Path, tuners: list[OtherTuner]) -> None:
    other = another_tuner(tuners, tmp_path)
    other.kill()
    backend_of(tmp_path).reap()
    assert all(gone(pid) for pid in (*other.pids, other.keeper))
    assert not records(tmp_path)


def test_the_next_start_reaps_when_the_keeper_was_killed_too(tmp_path: Path, tuners: list[OtherTuner]) -> None:
    other = another_tuner(tuners, tmp_path)
    # Stopped first, the keeper cannot clear up while the tuner dies.
    os.kill(other.keeper, signal.SIGSTOP)
    other.kill()
    os.kill(other.keeper, signal.SIGKILL)
    assert until(lambda: gone(other.keeper))
    assert not all(gone(pid) for pid in other.pids)
    assert backend_of(tmp_path).reap() == 1
    assert all(gone(pid) for pid in other.pids)
    assert not records(tmp_path)
    assert backend_of(tmp_path).reap() == 0


def test_a_stopped_keeper_is_reaped_with_its_server(tmp_path: Path, tuners: list[OtherTuner]) -> None:
    other = another_tuner(tuners, tmp_path)
    os.kill(other.keeper, signal.SIGSTOP)
    other.kill()
    assert not any(gone(pid) for pid in other.pids)
    assert backend_of(tmp_path).reap() == 1
    assert all(gone(pid) for pid in (*other.pids, other.keeper))


def test_living_tuners_never_reap_each_other(tmp_path: Path, tuners: list[OtherTuner]) -> None:
    first, second = another_tuner(tuners, tmp_path, "0001"), another_tuner(tuners, tmp_path, "0002")
    first.kill()
    backend_of(tmp_path).reap()
    assert all(gone(pid) for pid in first.pids)
    assert not any(gone(pid) for pid in second.pids)
    assert fetch(second.endpoint, "/") is not None
    assert len(records(tmp_path)) == 1


def test_a_tuner_that_is_terminated_takes_its_server_along(tmp_path: Path, tuners: list[OtherTuner]) -> None:
    other = another_tuner(tuners, tmp_path)
    other.process.terminate()
    other.process.wait()
    assert until(lambda: all(gone(pid) for pid in other.pids))


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.05, 0.1, 0.2])
def test_a_tuner_killed_while_it_starts_a_server_leaves_nothing(tmp_path: Path, delay: float) -> None:
    root = Path(__file__).parent.parent.parent
    process = subprocess.Popen(
        [sys.executable, "-c", TUNER, str(tmp_path), FAMILY, "0001"],
        env={"PYTHONPATH": str(root), "PATH": os.environ["PATH"]},
        stdout=subprocess.DEVNULL,
    )
    assert until(lambda: bool(records(tmp_path)))
    until(lambda: False, delay)
    process.kill()
    process.wait()
    backend_of(tmp_path).reap()
    assert not at_work_in(tmp_path)
    assert not records(tmp_path)


def at_work_in(folder: Path) -> list[int]:
    found: list[int] = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(folder):
                found.append(process.pid)
    return found


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["/bin/sleep", "300"], env={TOKEN: "of somebody else"}, start_new_session=True)
    yield process
    process.kill()
    process.wait()


def dead_tuners_record(folder: Path, **more: object) -> ServerRecord:
    with subprocess.Popen(["/bin/true"]) as owner:
        pass
    register = Register(folder / "state/servers")
    record = register.open().model_copy(update={"owner": Identity(pid=owner.pid, start=1), **more})
    register.write(record)
    return record


def test_a_reused_process_id_is_never_killed(tmp_path: Path, bystander: subprocess.Popen[bytes]) -> None:
    found = process_table.find(bystander.pid)
    assert found is not None
    stale = Identity(pid=bystander.pid, start=found.start - 1)
    dead_tuners_record(tmp_path, server=stale, keeper=stale)
    assert backend_of(tmp_path).reap() == 0
    assert psutil.Process(bystander.pid).status() != psutil.STATUS_ZOMBIE
    assert not records(tmp_path)


def test_the_server_itself_is_killed_by_its_start_time(tmp_path: Path, bystander: subprocess.Popen[bytes]) -> None:
    found = process_table.find(bystander.pid)
    assert found is not None
    dead_tuners_record(tmp_path, server=Identity(pid=found.pid, start=found.start))
    assert backend_of(tmp_path).reap() == 1
    assert gone(bystander.pid)


@pytest.mark.parametrize("field", ["host", "namespace"])
def test_records_of_other_machines_are_left_alone(
    tmp_path: Path, bystander: subprocess.Popen[bytes], field: str
) -> None:
    found = process_table.find(bystander.pid)
    assert found is not None
    dead_tuners_record(tmp_path, server=Identity(pid=found.pid, start=found.start), **{field: "elsewhere"})
    assert backend_of(tmp_path).reap() == 0
    assert not gone(bystander.pid)
    assert len(records(tmp_path)) == 1


def test_records_from_before_a_restart_are_forgotten(tmp_path: Path, bystander: subprocess.Popen[bytes]) -> None:
    found = process_table.find(bystander.pid)
    assert found is not None
    dead_tuners_record(tmp_path, server=Identity(pid=found.pid, start=found.start), boot="an earlier one")
    assert backend_of(tmp_path).reap() == 0
    assert not gone(bystander.pid)
    assert not records(tmp_path)


def test_a_broken_record_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / "state/servers"
    folder.mkdir(parents=True)
    (folder / f"{'0' * 32}.json").write_text("{")
    (folder / "x.json").write_bytes(b"\xff")
    assert backend_of(tmp_path).reap() == 0


def test_leftovers_of_a_reaped_server_are_removed(tmp_path: Path) -> None:
    (tmp_path / "shm-7-region").touch()
    dead_tuners_record(tmp_path, leftovers=(f"{tmp_path}/shm-7-*",))
    backend_of(tmp_path).reap()
    assert not (tmp_path / "shm-7-region").exists()


def test_a_started_server_is_on_record_until_it_is_stopped(
    backend: ProcessBackend, workload: Workload, tmp_path: Path
) -> None:
    server = backend.start(ScriptEngine("serve()"), workload, Path(), "0001")
    (file,) = records(tmp_path)
    record = ServerRecord.model_validate_json(file.read_bytes())
    assert record.owner.pid == os.getpid()
    assert record.server is not None
    assert process_table.environment_value(record.server.pid, TOKEN) == record.token
    assert process_table.living(record.server.pid, record.server.start)
    server.stop()
    assert not process_table.living(record.server.pid, record.server.start)
    assert not records(tmp_path)
