"""The null server in C: computes nothing, and writes down when each request came.

Compiled with the machine's C compiler on first use, into the cache beside the other tools.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
from platformdirs import user_cache_path

from tuner.errors import PermanentError

__all__ = ["BODY", "NullServer", "compiled"]

BODY = 16
"""Bytes of the body of each answer."""
OPTIONS = ("-O2", "-std=gnu11")
STOP = 10.0
_SOURCE = Path(__file__).with_name("null_server.c")


def compiled(cache: Path | None = None) -> Path:
    """The program, compiled now where it is not there yet. PermanentError where there is no C compiler, or it fails."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise PermanentError("the null server needs a C compiler: install gcc or clang")
    version = subprocess.run([compiler, "--version"], capture_output=True, check=False).stdout
    digest = hashlib.sha256(b"\n".join([*(option.encode() for option in OPTIONS), version, _SOURCE.read_bytes()]))
    home = (cache or user_cache_path("tuner")) / "tools" / f"null-server-{digest.hexdigest()[:16]}"
    program = home / "null_server"
    if not program.is_file():
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home) as scratch:
            built = Path(scratch) / "null_server"
            command = [compiler, *OPTIONS, "-o", str(built), str(_SOURCE)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise PermanentError(f"the null server could not be compiled: {done.stderr.strip()[-500:]}")
            built.replace(program)
    return program


class NullServer:
    """A running null server; ``arrivals`` are the times of its requests once it has stopped.

    It ends with this process, too: its standard input is a pipe from here.
    """

    def __init__(self, cpus: Sequence[int] = (), stall: tuple[float, float] = (0.0, 0.0), service: float = 0.0) -> None:
        """``cpus``: cores that it runs on. ``stall``: seconds without an answer, seconds after the first request.

        ``service``: seconds that each request takes, one after the other.
        """
        self._log = tempfile.NamedTemporaryFile(prefix="null-server-")  # noqa: SIM115 - lives as long as the server
        told = (":".join(str(round(1000 * part)) for part in stall), str(round(1e6 * service)))
        self._process = subprocess.Popen(
            [str(compiled()), self._log.name, *told],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        if cpus:
            os.sched_setaffinity(self._process.pid, set(cpus))
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        self.port = int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._log.close()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def stop(self) -> None:
        """End it. Idempotent."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait(STOP)

    def arrivals(self) -> npt.NDArray[np.float64]:
        """When each request's first byte was read, in seconds of ``time.monotonic``, in that order; it is stopped."""
        self.stop()
        return np.fromfile(self._log.name, dtype=np.uint64) / 1e9
