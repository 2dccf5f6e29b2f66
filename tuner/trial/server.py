"""A server that runs on this machine, seen through its keeper."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import cast

import tuner
from tuner.engine.protocol import Endpoint, Launch
from tuner.errors import TemporaryError
from tuner.trial import process_table
from tuner.trial.cpus import CpuPlan
from tuner.trial.excerpt import log_excerpt
from tuner.trial.folder import LOG, full
from tuner.trial.keeper import Event, Order
from tuner.trial.observation import LocalObservation, observe_local
from tuner.trial.orphans import TOKEN, Identity, Register, clear
from tuner.trial.outcome import Failed, FailureKind
from tuner.trial.ports import PortReservation
from tuner.trial.protocol import TrialFailedError, Used

__all__ = ["ProcessServer"]

_BOOTSTRAP = "import sys; sys.path.append(sys.argv[1]); from tuner.trial.keeper import main; main()"
_KEEPER_LOG = "keeper.log"
_KEEPER_PATIENCE = 15.0
"""Seconds that the keeper may take beyond the grace to kill and to answer."""


class ProcessServer:
    """One server process with everything it starts, from ``launch`` on; ready or not is the backend's question."""

    def __init__(
        self,
        launch: Launch,
        folder: Path,
        cpus: CpuPlan,
        *,
        memory: int | None,
        grace: float,
        register: Register,
        reservation: PortReservation,
    ) -> None:
        """Start the server. TemporaryError where the machine cannot (no such program, no process, full disk)."""
        self._launch = launch
        self._cpus = cpus
        self._memory = memory
        self._grace = grace
        self._register = register
        self._reservation = reservation
        self._lock = threading.RLock()
        self._stopping = False
        self._rest = b""
        self._ended: Event | None = None
        self._usage = Used(cpu_seconds=0.0, peak_memory=0)
        self.folder = folder
        self.log = folder / LOG
        self.ready = False
        self._record = register.open(launch.leftovers)
        try:
            self._keeper = self._start_keeper()
        except BaseException:
            register.close(self._record)
            raise
        try:
            self._begin()
        except BaseException:
            self.stop()
            raise

    @property
    def endpoint(self) -> Endpoint:
        """Where the server answers."""
        return self._launch.endpoint

    @property
    def cpus(self) -> CpuPlan:
        """How the CPUs of this machine are split while this server runs."""
        return self._cpus

    @property
    def generator_cpus(self) -> tuple[int, ...]:
        """CPUs that the server does not use."""
        return self._cpus.generator

    @property
    def template(self) -> None:
        """A local process is started from no pod template."""
        return None

    @property
    def keeper(self) -> int:
        """The process that keeps it."""
        return self._keeper.pid

    @property
    def pids(self) -> tuple[int, ...]:
        """Every process of the server that is running now."""
        return tuple(process.pid for process in process_table.descendants((self._keeper.pid,)) if not process.zombie)

    def check(self) -> None:
        """See the Protocol; before ``ready`` is set the failure is START instead of DIED."""
        self.wait(0.0)

    def wait(self, seconds: float) -> None:
        """Wait this long, or until the server has ended: then as ``check``."""
        deadline = time.monotonic() + seconds
        with self._lock:
            while self._ended is None and not self._stopping:
                event = self._next_event(deadline - time.monotonic())
                if event is None:
                    return
                self._take(event)
        if self._stopping and self._ended is None:
            raise TrialFailedError(Failed(failure=FailureKind.DIED, reason="the server was stopped"))
        raise self._failure()

    def usage(self) -> Used:
        """See the Protocol."""
        with self._lock:
            if self._ended is None and not self._stopping:
                self._ask_usage()
            return self._usage

    def observe(self) -> AbstractContextManager[LocalObservation]:
        """See the Protocol."""
        shown = self._launch.environment.get("CUDA_VISIBLE_DEVICES", "")
        gpus = [uuid for uuid in shown.split(",") if uuid.startswith(("GPU-", "MIG-"))]
        cpus = (*self._cpus.server, *self._cpus.generator)
        return observe_local(cpus, lambda: self.usage().cpu_seconds, gpus, lambda: self.pids)

    def _ask_usage(self) -> None:
        with suppress(BrokenPipeError):
            self._say(b"usage\n")
        deadline = time.monotonic() + _KEEPER_PATIENCE
        while (event := self._next_event(deadline - time.monotonic())) is not None:
            self._take(event)
            if event["event"] in ("usage", "ended", "refused"):
                return

    def stop(self) -> None:
        """See the Protocol: the engine's stop signal, the grace, then SIGKILL for all that is left."""
        with self._lock:
            self._stopping = True
            if self._keeper.returncode is None:
                self._end(self._keeper)
            clear(self._record)
            self._register.close(self._record)
            self._reservation.release()

    def _end(self, keeper: subprocess.Popen[bytes]) -> None:
        with suppress(OSError):
            self._say(b"stop\n")
        deadline = time.monotonic() + self._grace + _KEEPER_PATIENCE
        while self._ended is None and (event := self._next_event(deadline - time.monotonic())) is not None:
            self._take(event)
        for pipe in (keeper.stdin, keeper.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        _await(keeper, 1.0)
        if keeper.poll() is None:
            keeper.kill()
            keeper.wait()
        trouble = self.folder / _KEEPER_LOG
        with suppress(OSError):
            if trouble.stat().st_size == 0:
                trouble.unlink()

    def _start_keeper(self) -> subprocess.Popen[bytes]:
        root = str(Path(tuner.__file__).parent.parent)
        try:
            with (self.folder / _KEEPER_LOG).open("wb") as trouble:
                return subprocess.Popen(
                    [sys.executable, "-I", "-S", "-B", "-c", _BOOTSTRAP, root],
                    env={TOKEN: self._record.token},
                    cwd=self.folder,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=trouble,
                    bufsize=0,
                    start_new_session=True,
                )
        except OSError as error:
            raise TemporaryError(f"cannot start a process: {error.strerror}", delay=5.0) from error

    def _begin(self) -> None:
        keeper = process_table.find(self._keeper.pid)
        if keeper is not None:
            self._record = self._record.model_copy(update={"keeper": Identity(pid=keeper.pid, start=keeper.start)})
            self._register.write(self._record)
        self._reservation.hand_over()
        with suppress(BrokenPipeError):
            self._say(json.dumps(self._order()).encode() + b"\n")
        event = self._next_event(_KEEPER_PATIENCE)
        if event is None or event["event"] != "started":
            raise TemporaryError(self._not_started(event), delay=5.0)
        self._record = self._record.model_copy(
            update={"server": Identity(pid=event["pid"], start=event["start"])},
        )
        self._register.write(self._record)

    def _order(self) -> Order:
        return Order(
            argv=list(self._launch.argv),
            environment={**self._launch.environment, TOKEN: self._record.token},
            folder=str(self.folder),
            log=str(self.log),
            server_cpus=list(self._cpus.server),
            other_cpus=list(self._cpus.generator),
            memory=self._memory,
            stop_signal=self._launch.stop_signal,
            grace=self._grace,
            leftovers=list(self._launch.leftovers),
            owner=os.getpid(),
        )

    def _not_started(self, event: Event | None) -> str:
        if event is not None and event["event"] == "refused":
            return f"cannot start {self._launch.argv[0]}: {event['what']}"
        return f"cannot start {self._launch.argv[0]}: its keeper ended ({log_excerpt(self.folder / 'keeper.log')})"

    def _say(self, line: bytes) -> None:
        if self._keeper.stdin is not None:
            view = memoryview(line)
            while view:
                view = view[os.write(self._keeper.stdin.fileno(), view) :]

    def _next_event(self, seconds: float) -> Event | None:
        """The next event, waiting at most this long; a keeper that is gone is an event, too."""
        pipe = self._keeper.stdout
        if pipe is None or pipe.closed:
            return None
        deadline = time.monotonic() + seconds
        while b"\n" not in self._rest:
            if not select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
                return None
            chunk = os.read(pipe.fileno(), 65536)
            if not chunk:
                return Event(event="refused", what="the keeper of the server was killed")
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        return cast("Event", json.loads(line))

    def _take(self, event: Event) -> None:
        if event["event"] in ("usage", "ended"):
            self._usage = Used(cpu_seconds=event["cpu_seconds"], peak_memory=event["peak_memory"])
        if event["event"] in ("ended", "refused"):
            self._ended = event

    def _failure(self) -> TrialFailedError | TemporaryError:
        """Why the server has ended: the configuration's fault, or the machine's."""
        ended = self._ended
        if ended is None or ended["event"] == "refused":
            return TemporaryError("the keeper of the server was killed, so the server was ended")
        if full(self.folder):
            return TemporaryError(f"the disk of {self.folder} is full, the server ended", delay=10.0)
        kind = FailureKind.DIED if self.ready else FailureKind.START
        what = self._what_ended(ended)
        if ended["cause"] == "memory" or (ended["kernel_kill"] and ended["status"] == -signal.SIGKILL):
            kind = FailureKind.OUT_OF_MEMORY
        excerpt = log_excerpt(self.log)
        return TrialFailedError(Failed(failure=kind, reason=f"{what}\n{excerpt}" if excerpt else what))

    def _what_ended(self, ended: Event) -> str:
        when = "under load" if self.ready else "before it was ready"
        if ended["cause"] == "memory" and self._memory is not None:
            peak = max(ended["peak_memory"], self._memory)
            return (
                f"the server passed its memory limit of {self._memory / 2**20:.0f} MiB {when} "
                f"(it held {peak / 2**20:.0f} MiB) and was killed"
            )
        if ended["cause"] == "stopped":
            return "the server was stopped"
        if ended["status"] < 0:
            by = " by the kernel, which ran out of memory" if ended["kernel_kill"] else ""
            return f"the server was killed{by} {when}: {_signal_name(-ended['status'])}"
        return f"the server exited {when} with code {ended['status']}"


def _await(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait for the end of a process; ``Popen.wait`` would look for it in ever longer steps, up to 50 ms."""
    try:
        handle = os.pidfd_open(process.pid)
    except OSError:  # it has ended, or a sandbox without pidfd
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        return
    try:
        select.select([handle], [], [], seconds)
    finally:
        os.close(handle)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
