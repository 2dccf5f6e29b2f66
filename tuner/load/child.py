"""One process of the load generator, as its parent sees it: started, asked by frames, ended."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from fcntl import F_SETPIPE_SZ, fcntl
from pathlib import Path
from typing import IO

import tuner
from tuner.load.protocol import LARGEST_PLAN
from tuner.load.wire import FRAME, Frame, unframed

__all__ = ["Child"]

STOP = 2.0
PIPE = 1 << 20
LARGEST_ANSWER = 128 * LARGEST_PLAN
"""Bytes: room for sixteen numbers of each request of the largest plan."""


class Child:
    """``python -m MODULE ARGUMENTS`` with pipes that never block this process; what it says on stderr is kept.

    ``-P`` keeps the working directory, which may be anybody's repository, out of its imports.
    """

    def __init__(self, module: str, arguments: Sequence[str], inherited: Sequence[int] = ()) -> None:
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": str(Path(tuner.__file__).parents[1]),
            "LANG": "C.UTF-8",
            "OPENBLAS_NUM_THREADS": "1",
        }
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        self._received = bytearray()
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            pass_fds=tuple(inherited),
            start_new_session=True,
        )
        for descriptor in (self.stdin, self.stdout):
            os.set_blocking(descriptor, False)
            with contextlib.suppress(PermissionError):  # this user has many pipes: they are slower, no more
                fcntl(descriptor, F_SETPIPE_SZ, PIPE)

    @property
    def stdin(self) -> int:
        """Descriptor of the child's standard input."""
        return _descriptor(self.process.stdin)

    @property
    def stdout(self) -> int:
        """Descriptor of the child's standard output."""
        return _descriptor(self.process.stdout)

    def write(self, data: memoryview) -> memoryview:
        """Write what the pipe takes; the rest. OSError where the child is gone."""
        try:
            return data[os.write(self.stdin, data) :]
        except BlockingIOError:
            return data

    def read(self) -> Frame | None:
        """Read what is there; the next frame once it is whole. EOFError where the child is gone, or talks nonsense."""
        try:
            part = os.read(self.stdout, PIPE)
        except BlockingIOError:
            return None
        if not part:
            raise EOFError
        self._received += part
        if len(self._received) < FRAME.size:
            return None
        header, blob = FRAME.unpack_from(self._received)
        begin, end = FRAME.size + header, FRAME.size + header + blob
        if end > LARGEST_ANSWER:
            raise EOFError
        if len(self._received) < end:
            return None
        frame = unframed(bytes(self._received[FRAME.size : begin]), bytes(self._received[begin:end]))
        del self._received[:end]
        return frame

    def last_words(self) -> str:
        """The last line that it wrote to standard error."""
        self._errors.seek(max(self._errors.seek(0, os.SEEK_END) - 2000, 0))
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    def end(self, *, at_once: bool = False) -> None:
        """Close its pipes and wait for its end; kill it where that takes long, or ``at_once``. Idempotent."""
        if at_once:
            self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self.process.wait(STOP)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._errors.close()


def _descriptor(pipe: IO[bytes] | None) -> int:
    if pipe is None or pipe.closed:
        raise EOFError
    return pipe.fileno()
