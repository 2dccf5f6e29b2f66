"""A local OPA server with one bundle, for as long as it is needed."""

from __future__ import annotations

import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import psutil

from tuner.errors import PermanentError, TemporaryError
from tuner.policy.bundle import PolicyBundle
from tuner.policy.opa import OpaEngine

__all__ = ["OpaServer"]

# Standard input is held open by this process alone: when it ends, in whatever way, the server is stopped.
_KEEPER = """
exec 3<&0
"$@" 3<&- & server=$!
(cat <&3 >/dev/null; kill "$server") & watch=$!
exec 3<&-
wait "$server"; code=$?
kill "$watch" 2>/dev/null
exit "$code"
"""


class OpaServer:
    """``opa run --server`` on a free port of the loopback address; a context manager that gives an ``OpaEngine``."""

    def __init__(self, program: Path, bundle: PolicyBundle, *, start_timeout: float = 30.0) -> None:
        self.program = program
        self.bundle = bundle
        self.start_timeout = start_timeout
        self._open = ExitStack()

    def __enter__(self) -> OpaEngine:
        try:
            return self._start()
        except BaseException:
            self._open.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def _start(self) -> OpaEngine:
        """TemporaryError where it is not ready in time, PermanentError where it cannot be started or refuses."""
        folder = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="tuner-opa-")))
        self.bundle.write(folder / "bundle")
        log = self._open.enter_context((folder / "log").open("w+b"))
        command = [str(self.program), "run", "--server", "--addr=127.0.0.1:0", "--log-level=error"]
        command += ["--disable-telemetry", "--bundle", str(folder / "bundle")]
        process = subprocess.Popen(
            ["/bin/sh", "-c", _KEEPER, "sh", *command],
            cwd=folder,
            env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
        )
        self._open.callback(_stop, process)
        return self._engine(process, folder / "log")

    def _engine(self, process: subprocess.Popen[bytes], log: Path) -> OpaEngine:
        deadline = time.monotonic() + self.start_timeout
        while time.monotonic() < deadline:
            if process.poll() is not None:
                reason = log.read_text(errors="replace").strip()[-1000:]
                raise PermanentError(f"OPA ended with exit code {process.returncode}: {reason}")
            if (port := _listening(process.pid)) is not None:
                engine = OpaEngine(f"http://127.0.0.1:{port}", self.bundle.revision)
                self._open.callback(engine.close)
                if engine.wait(deadline - time.monotonic()):
                    return engine
            time.sleep(0.02)
        raise TemporaryError(f"OPA was not ready within {self.start_timeout:g} s", delay=5)


def _listening(keeper: int) -> int | None:
    """The port that the server listens on: it chose it itself, so that nobody else can have it."""
    try:
        connections = [each for child in psutil.Process(keeper).children() for each in child.net_connections("tcp4")]
    except psutil.Error:
        return None
    return next((each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN), None)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        process.kill()
        process.wait()
