"""Servers to load, as processes of their own, and one generator for all tests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tuner.engine.protocol import Endpoint, HttpRequest, Ports
from tuner.load.generator import LocustGenerator
from tuner.load.protocol import LoadPlan

SCRIPT = Path(__file__).with_name("null_server.py")


@dataclass
class NullServer:
    """A running null server; ``stop`` ends it and returns the arrival times that it saw, in seconds."""

    process: subprocess.Popen[str]
    port: int
    log: Path

    def stop(self) -> np.ndarray:
        if self.process.stdin is not None:
            self.process.stdin.close()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.process.wait(10)
        return np.fromfile(self.log, dtype=np.float64)


Serve = Callable[[str], NullServer]
Plan = Callable[..., LoadPlan]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start a null server in the given mode."""
    with ExitStack() as started:

        def start(mode: str) -> NullServer:
            log = tmp_path / f"{mode}.log"
            argv = [sys.executable, str(SCRIPT), mode, str(log)]
            process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            assert process.stdout is not None
            server = NullServer(process, int(process.stdout.readline()), log)
            started.callback(server.stop)
            return server

        yield start


@pytest.fixture(scope="session")
def locust() -> Iterator[LocustGenerator]:
    with LocustGenerator() as generator:
        yield generator


@pytest.fixture(scope="session")
def pair() -> Iterator[LocustGenerator]:
    """Two workers under Locust's master."""
    with LocustGenerator(workers=2) as generator:
        yield generator


@pytest.fixture
def plan() -> Plan:
    """A small plan for a port; fields by name."""

    def make(port: int, **fields: object) -> LoadPlan:
        endpoint = Endpoint(host="127.0.0.1", ports=Ports(http=port, grpc=1, metrics=1))
        requests = tuple(HttpRequest(path=f"/v2/{number}", body=b"x" * 5000) for number in range(3))
        usual: dict[str, object] = {
            "endpoint": endpoint,
            "requests": requests,
            "arrivals": "poisson",
            "rate": 200.0,
            "duration": 0.5,
            "seed": 7,
            "timeout": 5.0,
            "bounds": ((50.0, 0.2), (99.0, 0.4)),
        }
        return LoadPlan.model_validate({**usual, **fields})

    return make
