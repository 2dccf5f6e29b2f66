"""The load generator of every trial: Locust in a process of its own, kept alive from one load to the next."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import tuner
from tuner.errors import TemporaryError
from tuner.load.order import Order
from tuner.load.protocol import LoadPlan, LoadResult
from tuner.load.request import wire_request
from tuner.load.wire import FRAME, encode_order

__all__ = ["LocustGenerator"]

GRACE = 15.0
"""Seconds beyond a load's longest time after which its worker is taken for broken."""
STOP = 2.0
LARGEST_ANSWER = 16 * 2**20


class LocustGenerator:
    """A ``LoadGenerator`` whose worker process starts with the first load, or on ``with``, and ends with ``close``.

    A worker that breaks or hangs is killed and reported as TemporaryError; the next load starts a new one. The worker
    ends by itself when this process does, however that ends. Not for use by several threads at once.
    """

    def __init__(self, cpus: Iterable[int] = (), *, start_timeout: float = 60.0) -> None:
        """``cpus``: the cores that the worker runs on; every core of this process where none is given."""
        self._cpus = tuple(sorted(cpus))
        self._start_timeout = start_timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self._started()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The worker's process, where one runs."""
        return self._process.pid if self._process else None

    def run(self, plan: LoadPlan) -> LoadResult:
        """Send the plan's load. TemporaryError where the generator broke, PermanentError for an impossible request."""
        order = _order(plan)
        process = self._started()
        limit = plan.lead + plan.duration + plan.timeout + GRACE
        try:
            _send(process, encode_order(order), limit)
            answer = _receive(process, limit)
        except (OSError, EOFError) as error:
            raise self._broken("the load generator stopped") from error
        except TimeoutError as error:
            raise self._broken(f"the load generator did not answer within {limit:.0f} s") from error
        except BaseException:
            self.close()  # interrupted in the midst of a load: the worker's answer would be taken for the next one's
            raise
        if "error" in answer:
            raise self._broken(f"the load generator broke: {answer['error']}")
        return LoadResult.model_validate(answer)

    def close(self) -> None:
        """End the worker. Idempotent."""
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            process.wait(STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._errors is not None:
            self._errors.close()
            self._errors = None

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker
            self._process = _start(self._cpus, self._errors)
            try:
                _receive(self._process, self._start_timeout)
            except (OSError, EOFError) as error:
                raise self._broken("the load generator did not start") from error
            except BaseException:
                self.close()
                raise
        return self._process

    def _broken(self, what: str) -> TemporaryError:
        """End the worker and tell what it said last."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        said = ""
        if self._errors is not None:
            self._errors.seek(max(self._errors.seek(0, os.SEEK_END) - 2000, 0))
            lines = self._errors.read().decode(errors="replace").strip().splitlines()
            said = f": {lines[-1]}" if lines else ""
        self.close()
        return TemporaryError(f"{what}{said}")


def _start(cpus: tuple[int, ...], errors: IO[bytes]) -> subprocess.Popen[bytes]:
    """``-P`` keeps the working directory, which may be anybody's repository, out of the worker's imports."""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": str(Path(tuner.__file__).parents[1]),
        "LANG": "C.UTF-8",
        "OPENBLAS_NUM_THREADS": "1",
    }
    argv = [sys.executable, "-P", "-m", "tuner.load.worker", "--cpus", ",".join(map(str, cpus))]
    process = subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=environment, start_new_session=True
    )
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            os.set_blocking(pipe.fileno(), False)
    return process


def _order(plan: LoadPlan) -> Order:
    return Order(
        host=plan.endpoint.host,
        port=plan.endpoint.ports.http,
        payloads=tuple(wire_request(request, plan.endpoint) for request in plan.requests),
        arrivals=plan.arrivals,
        rate=plan.rate,
        count=plan.planned,
        lead_count=plan.planned_lead,
        seed=plan.seed,
        timeout=plan.timeout,
        bounds=tuple(bound for _, bound in plan.bounds),
        hopeless_after=plan.hopeless_after,
        hopeless_failures=plan.hopeless_failures,
        answer_lengths=tuple(request.answer_bytes for request in plan.requests),
        outstanding=plan.outstanding,
    )


def _wait(pipe: IO[bytes], event: int, deadline: float) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, event)
        if not selector.select(max(deadline - time.monotonic(), 0.0)):
            raise TimeoutError("the worker's pipe is silent")


def _send(process: subprocess.Popen[bytes], data: bytes, timeout: float) -> None:
    pipe = process.stdin
    if pipe is None:
        raise EOFError
    deadline, rest = time.monotonic() + timeout, memoryview(data)
    while rest:
        _wait(pipe, selectors.EVENT_WRITE, deadline)
        rest = rest[os.write(pipe.fileno(), rest[: 1 << 16]) :]


def _receive(process: subprocess.Popen[bytes], timeout: float) -> dict[str, Any]:
    """The header of the next frame. EOFError where the worker ended, TimeoutError where it is silent."""
    pipe = process.stdout
    if pipe is None:
        raise EOFError
    deadline, data, wanted = time.monotonic() + timeout, b"", FRAME.size
    while len(data) < wanted:
        _wait(pipe, selectors.EVENT_READ, deadline)
        part = os.read(pipe.fileno(), 1 << 16)
        if not part:
            raise EOFError
        data += part
        if wanted == FRAME.size and len(data) >= FRAME.size:
            wanted += sum(FRAME.unpack(data[: FRAME.size]))
            if wanted > LARGEST_ANSWER:
                raise EOFError
    header: dict[str, Any] = json.loads(data[FRAME.size :])
    return header
