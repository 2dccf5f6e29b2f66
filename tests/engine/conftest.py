"""Real servers for the tests of the engines: the simulator always, Triton from its wheel."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from testbed import samples, serving
from tuner.engine.protocol import Endpoint, Engine, HttpRequest, Launch, Ports
from tuner.engine.workload import Workload
from tuner.spec.model import Payload

REPOSITORY = Path(__file__).resolve().parent.parent.parent
START_LIMIT = 60.0


@dataclass
class Running:
    """A server process in its own process group."""

    process: subprocess.Popen[bytes]
    endpoint: Endpoint
    log: Path

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def exit_code(self, limit: float = START_LIMIT) -> int:
        return self.process.wait(limit)


def free_ports() -> Ports:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    http_port, grpc, metrics = (sock.getsockname()[1] for sock in sockets)
    for sock in sockets:
        sock.close()
    return Ports(http=http_port, grpc=grpc, metrics=metrics)


@contextmanager
def _started(launch: Launch, folder: Path) -> Iterator[Running]:
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            launch.argv,
            env=dict(launch.environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Running(process, launch.endpoint, log)
    finally:
        for number in (launch.stop_signal, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
                process.wait(5)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        for pattern in launch.leftovers:
            for left in Path("/").glob(pattern.lstrip("/")):
                left.unlink()


Start = Callable[[Engine, Workload, Path], AbstractContextManager[Running]]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Start a server with an engine; it is gone after the block."""

    @contextmanager
    def starting(engine: Engine, workload: Workload, model: Path) -> Iterator[Running]:
        folder = tmp_path / f"trial-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        with _started(engine.launch(workload, model, folder, free_ports()), folder) as running:
            yield running

    return starting


def eventually(condition: Callable[[], bool], limit: float = START_LIMIT) -> bool:
    """True as soon as the condition holds, false where it does not within the limit."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return False


def ask(endpoint: Endpoint, request: HttpRequest) -> tuple[int, Mapping[str, str], bytes]:
    """Status, headers and body of the answer."""
    connection = http.client.HTTPConnection(endpoint.host, endpoint.ports.http, timeout=30)
    try:
        connection.request(request.method, request.path, request.body, request.headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.headers), answer.read()
    finally:
        connection.close()


@pytest.fixture(scope="session")
def payload() -> Payload:
    return Payload.model_validate(
        {"samples": "samples", "inputs": [{"name": "image", "datatype": "UINT8", "shape": [48, 192, 3]}]}
    )


@pytest.fixture(scope="session")
def sample_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    samples.write(folder, count=32)
    return folder


@pytest.fixture(scope="session")
def turned(sample_folder: Path) -> list[bool]:
    return [bool(value) for value in np.load(sample_folder / "turned.npy")]


@pytest.fixture(scope="session")
def triton_home() -> Path:
    return serving.install()


@pytest.fixture(scope="session")
def orientation_model(triton_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model folder of the demo service, whole."""
    model = tmp_path_factory.mktemp("model") / "model"
    shutil.copytree(REPOSITORY / "configs/text-orientation/model", model, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(serving.onnx_model(triton_home), model / "1" / "model.onnx")
    return model
