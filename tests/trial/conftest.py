"""A machine of its own for each test, and an engine whose server is a short script."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from textwrap import dedent

import psutil
import pytest

from tuner.engine.probe import fetch
from tuner.engine.protocol import ClientProtocol, Endpoint, HttpRequest, Launch, Ports
from tuner.engine.workload import Resources, Workload
from tuner.space.assignment import Assignment
from tuner.space.parameter import Parameter
from tuner.spec.model import Payload, Scalar
from tuner.trial.process import ProcessBackend

PRELUDE = """
import json, os, signal, socket, subprocess, sys, time
port = int(sys.argv[1])
def pids(*numbers):
    open("pids.json", "w").write(json.dumps(numbers))
def serve(status=200):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen()
    while True:
        connection, _ = listener.accept()
        request = connection.recv(65536)
        if b"/die" in request:
            os._exit(7)
        if b"/work" in request:
            end = time.process_time() + 0.3
            while time.process_time() < end: pass
        if b"/hog" in request:
            hog = bytearray(os.urandom(1)) * (1 << 30)
        connection.sendall(b"HTTP/1.1 %d X\\r\\nContent-Length: 0\\r\\n\\r\\n" % status)
        connection.close()
"""


class ScriptEngine:
    """Serves by a Python script; ``ports`` replaces the reserved http port in the first launches."""

    name = "script"

    def __init__(
        self, script: str, *, environment: Mapping[str, str] | None = None, ports: tuple[int, ...] = ()
    ) -> None:
        self.script = dedent(script)
        self.environment = dict(environment or {})
        self.ports = list(ports)
        self.launches = 0

    def parameters(self) -> tuple[Parameter, ...]:
        return ()

    def conflicts(self, assignment: Assignment) -> tuple[str, ...]:
        return tuple(f"{name} is refused" for name in assignment if name.startswith("bad"))

    def read(self, workload: Workload) -> Mapping[str, Scalar]:
        return {}

    def apply(self, assignment: Assignment, workload: Workload) -> Workload:
        return workload

    def launch(self, workload: Workload, model: Path, folder: Path, ports: Ports) -> Launch:
        self.launches += 1
        if self.ports:
            ports = ports.model_copy(update={"http": self.ports.pop(0)})
        file = folder / "server.py"
        file.write_text(PRELUDE + self.script)
        argv = (sys.executable, "-I", "-S", str(file), str(ports.http))
        return Launch(argv=argv, environment=self.environment, endpoint=Endpoint(host="127.0.0.1", ports=ports))

    def ready(self, endpoint: Endpoint) -> bool:
        return fetch(endpoint, "/") is not None

    def requests(
        self, payload: Payload, folder: Path, workload: Workload, protocol: ClientProtocol = "http"
    ) -> tuple[HttpRequest, ...]:
        return (HttpRequest(path="/"),)

    def statistics(self, endpoint: Endpoint) -> Mapping[str, float]:
        return {}


def until(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Wait for something to become true, at most this long; whether it did."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def gone(pid: int) -> bool:
    """Has this process ended (zombies have)."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def written_pids(folder: Path) -> list[int]:
    """What the script said with ``pids(…)``."""
    file = folder / "pids.json"
    assert until(lambda: file.exists() and file.read_text().endswith("]"))
    return [int(pid) for pid in json.loads(file.read_text())]


@pytest.fixture
def workload() -> Workload:
    return Workload(image="example/server:1", resources=Resources(cpu=1, memory=256 * 2**20))


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[ProcessBackend]:
    backend = ProcessBackend(tmp_path / "trials", state=tmp_path / "state", start_timeout=20.0, grace=1.0)
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    yield backend
    left = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    assert not [child for child in left if child.status() != psutil.STATUS_ZOMBIE]
    assert not list((tmp_path / "state/servers").glob("*"))
