"""The reference load: a short fixed piece of work on the cores of the trials, whose speed tells the machine's."""

from __future__ import annotations

import json
import math
import os
import select
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Protocol

from scipy.special import stdtrit

import tuner
from tuner.errors import TemporaryError
from tuner.measurement.model import Interval
from tuner.trial.reference_worker import PARTS
from tuner.value import Value

__all__ = ["CONFIDENCE", "SECONDS", "ReferenceLoad", "ReferenceRun", "cpu_reference", "speed_of"]

SECONDS = 0.1
"""How long one run takes: 1 to 2 % of a trial of the demo."""
CONFIDENCE = 0.99
_CORES = 8
"""At most so many cores are asked at once."""
_PATIENCE = 10.0
_BOOTSTRAP = "import sys; sys.path.append(sys.argv[1]); from tuner.trial.reference_worker import main; main()"


class ReferenceRun(Value):
    """One run. ``speed`` in rounds a second over all cores, with its interval at ``CONFIDENCE`` within this run."""

    speed: Interval
    seconds: float
    cores: int


class ReferenceLoad(Protocol):
    """The fixed piece of work, ready to run."""

    def run(self) -> ReferenceRun:
        """Run it once. TemporaryError where the machine cannot."""
        ...


@contextmanager
def cpu_reference(cpus: Sequence[int]) -> Iterator[ReferenceLoad]:
    """The reference load on these CPUs, one process each; they sleep between runs and end with the context.

    TemporaryError where a process cannot be started.
    """
    with ExitStack() as stack:
        yield _CpuReference([stack.enter_context(_worker(cpu)) for cpu in cpus[:_CORES]])


class _CpuReference:
    def __init__(self, workers: list[subprocess.Popen[bytes]]) -> None:
        self._workers = workers

    def run(self) -> ReferenceRun:
        began = time.monotonic()
        try:
            for worker in self._workers:
                os.write(_descriptor(worker.stdin), f"{SECONDS}\n".encode())
            parts = [_answer(worker, began + _PATIENCE) for worker in self._workers]
        except (OSError, ValueError) as error:
            raise TemporaryError("the reference load was killed") from error
        totals = [sum(rates) for rates in zip(*parts, strict=True)]
        return ReferenceRun(speed=speed_of(totals), seconds=time.monotonic() - began, cores=len(parts))


@contextmanager
def _worker(cpu: int) -> Iterator[subprocess.Popen[bytes]]:
    root = str(Path(tuner.__file__).parent.parent)
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", "-c", _BOOTSTRAP, root, str(cpu)],
            env={},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
    except OSError as error:
        raise TemporaryError(f"cannot start a process: {error.strerror}", delay=5.0) from error
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def _descriptor(pipe: object) -> int:
    fileno = getattr(pipe, "fileno", None)
    if fileno is None:
        raise ValueError("there is no pipe")
    return int(fileno())


def _answer(worker: subprocess.Popen[bytes], deadline: float) -> list[float]:
    """The rates of one worker. ValueError where it does not answer, or not with its parts."""
    descriptor, raw = _descriptor(worker.stdout), b""
    while not raw.endswith(b"\n"):
        if not select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise ValueError("no answer")
        chunk = os.read(descriptor, 65536)
        if not chunk:
            raise ValueError("it has ended")
        raw += chunk
    rates = [float(rate) for rate in json.loads(raw)]
    if len(rates) != PARTS or not all(rate > 0 and math.isfinite(rate) for rate in rates):
        raise ValueError("not its parts")
    return rates


def speed_of(rates: Sequence[float]) -> Interval:
    """Mean of the parts' logarithms with Student's t interval: parts of 10 ms are nearly independent."""
    logs = [math.log(rate) for rate in rates]
    mean = statistics.fmean(logs)
    half = float(stdtrit(len(logs) - 1, (1 + CONFIDENCE) / 2)) * statistics.stdev(logs) / math.sqrt(len(logs))
    return Interval(value=math.exp(mean), low=math.exp(mean - half), high=math.exp(mean + half))
