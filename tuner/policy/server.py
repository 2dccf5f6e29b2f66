"""A local OPA server with one signed bundle, for as long as it is needed."""

from __future__ import annotations

import json
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
from tuner.policy.signing import ALGORITHM, KEY_ID, new_key, public_key, signed_archive

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
    """``opa run --server`` on a free port of the loopback address; a context manager that gives an ``OpaEngine``.

    It loads the bundle by its signature, made with a key of this one server, and logs every decision: to the file
    ``decisions``, where that is given.
    """

    def __init__(
        self, program: Path, bundle: PolicyBundle, *, start_timeout: float = 30.0, decisions: Path | None = None
    ) -> None:
        self.decisions = decisions
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
        configuration = folder / "opa.json"
        configuration.write_text(json.dumps(self._configuration(folder / "bundle.tar.gz")), encoding="utf-8")
        log = self._open.enter_context((folder / "log").open("w+b"))
        self._open.callback(self._keep, folder / "log")
        command = [str(self.program), "run", "--server", "--addr=127.0.0.1:0", "--log-level=error"]
        command += ["--skip-version-check", "--config-file", str(configuration)]
        process = subprocess.Popen(
            ["/bin/sh", "-c", _KEEPER, "sh", *command],
            cwd=folder,
            env={"HOME": str(folder), "PATH": "/usr/bin:/bin", "GOGC": "800"},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
        )
        self._open.callback(_stop, process)
        return self._engine(process, folder / "log")

    def _configuration(self, archive: Path) -> dict[str, object]:
        private = new_key()
        archive.write_bytes(signed_archive(self.program, self.bundle, private))
        bundle = {"resource": archive.as_uri(), "signing": {"keyid": KEY_ID}}
        return {
            "bundles": {"tuner": bundle},
            "keys": {KEY_ID: {"algorithm": ALGORITHM, "key": public_key(private)}},
            "decision_logs": {"console": True},
        }

    def _keep(self, log: Path) -> None:
        """Put the decisions of this server behind those of earlier ones."""
        if self.decisions is not None:
            lines = [line for line in log.read_bytes().splitlines(keepends=True) if b'"decision_id"' in line]
            with self.decisions.open("ab") as file:
                file.write(b"".join(lines))

    def _engine(self, process: subprocess.Popen[bytes], log: Path) -> OpaEngine:
        deadline = time.monotonic() + self.start_timeout
        while time.monotonic() < deadline:
            if process.poll() is not None:
                reason = log.read_text(errors="replace").strip()[-1000:]
                raise PermanentError(f"OPA ended with exit code {process.returncode}: {reason}")
            if (port := _listening(process.pid)) is not None:
                engine = OpaEngine(f"http://127.0.0.1:{port}", self.bundle.revision)
                self._open.callback(engine.close)
                if engine.wait(min(1.0, deadline - time.monotonic())):
                    return engine
                if reason := _refused(log):
                    raise PermanentError(f"OPA does not load the policies: {reason}")
            time.sleep(0.02)
        raise TemporaryError(f"OPA was not ready within {self.start_timeout:g} s", delay=5)


def _refused(log: Path) -> str:
    """Why the bundle was not loaded, where OPA said so."""
    for line in log.read_text(errors="replace").splitlines():
        if "Bundle load failed" in line:
            try:
                return str(json.loads(line).get("msg", line))[:1000]
            except ValueError:
                return line[:1000]
    return ""


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
