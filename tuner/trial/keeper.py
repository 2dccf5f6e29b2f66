"""The keeper: a tiny process between the tuner and one server, so that nothing of the server can outlive the tuner.

It adopts every process that the server's tree drops (``PR_SET_CHILD_SUBREAPER``), watches the tree's memory, counts
its processor time, and clears the tree away when the server ends, when it is told to, or when the tuner is gone. A
separate process because only that survives ``kill -9`` of the tuner, and because a child that is single-threaded may
prepare the server between fork and exec safely.

Control (standard input): one line of JSON, the order; then the lines ``usage`` and ``stop``. Events (standard output):
one JSON object a line. Standard library only, in a bare interpreter: it starts in some 20 ms and holds some 10 MB.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypedDict

from tuner.trial import leftovers, memory_use, process_table
from tuner.trial.pinning import Pinning

__all__ = ["LOG_LIMIT", "Event", "Order", "main"]

LOG_LIMIT = 64 * 1024 * 1024
"""Bytes; a longer log is cut, so that a chatty server cannot fill the disk."""

_TICK = 0.05
_CALM_TICK = 1.0
_JUST_NOW = 0.1
_KILL_DEADLINE = 10.0
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

Cause = Literal["exited", "stopped", "memory", "orphaned"]


class Order(TypedDict):
    """What to run: the server's whole environment, its CPUs (empty: any), its limit in bytes, grace in seconds."""

    argv: list[str]
    environment: dict[str, str]
    folder: str
    log: str
    server_cpus: list[int]
    other_cpus: list[int]
    memory: int | None
    stop_signal: int
    grace: float
    leftovers: list[str]
    owner: int


class Event(TypedDict, total=False):
    """What happened: ``started``, ``refused`` (the machine could not start it), ``usage`` or ``ended``."""

    event: Literal["started", "refused", "usage", "ended"]
    pid: int
    start: int
    errno: int
    what: str
    cause: Cause
    status: int
    kernel_kill: bool
    peak_memory: int
    cpu_seconds: float


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _prepare(order: Order, keeper: int) -> None:
    """Between fork and exec of the server."""
    if order["server_cpus"]:
        os.sched_setaffinity(0, order["server_cpus"])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):  # the first to go when the machine itself runs out of memory
        Path("/proc/self/oom_score_adj").write_text("1000")
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != keeper:
        os._exit(1)


class _Lines:
    """Complete lines of a descriptor; ``closed`` once the other end is gone."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.closed = False
        self._rest = b""

    def first(self) -> bytes:
        """One line, waited for; what came with it is kept. Empty where the other end closed before."""
        while b"\n" not in self._rest and not self.closed:
            self._fill()
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def read(self) -> list[bytes]:
        """What has come, waiting for something to come."""
        if b"\n" not in self._rest:
            self._fill()
        *lines, self._rest = self._rest.split(b"\n")
        return lines

    @property
    def waiting(self) -> bool:
        return b"\n" in self._rest

    def _fill(self) -> None:
        chunk = os.read(self.descriptor, 65536)
        self.closed = not chunk
        self._rest += chunk


class _Memory:
    """The tree's memory against its limit, looked at often and cheaply, precisely only where it matters."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.peak = 0
        self.tick = _CALM_TICK if limit is None else _TICK
        self._pids: list[int] = []
        self._newest = -1
        self._measured = 0.0
        self._next_tree = self._next_exact = self._next_near = 0.0

    @property
    def pids(self) -> Sequence[int]:
        """The tree's processes, as they were last seen."""
        return self._pids

    def look(self) -> bool:
        """True where the limit is passed."""
        now = time.monotonic()
        if now >= self._next_tree:
            self._refresh()
        near = self.limit is not None and memory_use.at_most(self._pids) > self.limit
        return now >= (self._next_near if near else self._next_exact) and self.measure()

    def renew(self) -> None:
        """Take the exact size, unless that was done just now: usage is asked several times at the end of a trial."""
        if time.monotonic() - self._measured > _JUST_NOW:
            self.measure()

    def measure(self) -> bool:
        """Take the exact size now; True where it is above the limit."""
        began = self._measured = time.monotonic()
        self._refresh()
        size = memory_use.exact(self._pids)
        cost = time.monotonic() - began
        self._next_exact = began + max(1.0, 50 * cost)
        self._next_near = began + 5 * cost
        self.peak = max(self.peak, size)
        return self.limit is not None and size > self.limit

    def _refresh(self) -> None:
        newest, began = process_table.newest(), time.monotonic()
        if newest == self._newest != -1:
            return
        self._newest = newest
        self._pids = [process.pid for process in process_table.descendants((os.getpid(),))]
        # A long process table takes long to read: spend some 1 % of a core on it at most.
        self._next_tree = began + max(_TICK, 100 * (time.monotonic() - began))


class _Keeper:
    def __init__(self, order: Order, control: _Lines) -> None:
        self._order = order
        self._control = control
        self._memory = _Memory(order["memory"])
        self._pinning = Pinning(order["server_cpus"])
        self._status: int | None = None
        self._log = Path(order["log"])
        self._kernel_kills = memory_use.kernel_kills()
        self._wake, wake = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        self._poll = select.poll()
        for descriptor in (control.descriptor, self._wake):
            self._poll.register(descriptor, select.POLLIN)
        with suppress(OSError):  # without it the parent is looked at once a tick
            self._poll.register(os.pidfd_open(order["owner"]), select.POLLIN)

    def run(self) -> None:
        if not self._spawn():
            return
        cause = self._watch()
        if cause in ("stopped", "orphaned"):
            self._memory.renew()
            self._ask_to_end()
        self._kill_all()
        kernel_kill = memory_use.kernel_kills() > self._kernel_kills
        self._tell(
            {"event": "ended", "cause": cause, "status": self._status or 0, "kernel_kill": kernel_kill, **self._usage()}
        )

    def _spawn(self) -> bool:
        order, keeper = self._order, os.getpid()
        try:
            with self._log.open("ab") as log:
                self._server = subprocess.Popen(
                    order["argv"],
                    env=order["environment"],
                    cwd=order["folder"],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=lambda: _prepare(order, keeper),
                )
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            self._tell({"event": "refused", "errno": getattr(error, "errno", None) or 0, "what": str(error)})
            return False
        process = process_table.find(self._server.pid)
        self._tell({"event": "started", "pid": self._server.pid, "start": process.start if process else 0})
        return True

    def _watch(self) -> Cause:
        while True:
            cause = self._hear(self._memory.tick)
            if cause is None and self._ended():
                cause = "exited"
            if cause is None and self._memory.look():
                cause = "memory"
            if cause is not None:
                return cause
            self._pinning.look(self._memory.pids)
            self._cut_log()

    def _hear(self, seconds: float) -> Cause | None:
        """Wait for news of the tuner or of the children, at most this long."""
        ready = {descriptor for descriptor, _ in self._poll.poll(seconds * 1000)}
        signals = b""
        with suppress(BlockingIOError):
            signals = os.read(self._wake, 4096)
        heard = self._control.waiting or self._control.descriptor in ready
        lines = self._control.read() if heard else []
        if self._control.closed or os.getppid() != self._order["owner"]:
            return "orphaned"
        if b"stop" in lines or signal.SIGTERM in signals:
            return "stopped"
        for _ in range(lines.count(b"usage")):
            self._memory.renew()
            self._tell({"event": "usage", **self._usage()})
        return None

    def _ended(self) -> bool:
        """Collect whatever has ended; True where the server itself has."""
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    break
                if pid == self._server.pid:
                    self._status = self._server.returncode = os.waitstatus_to_exitcode(status)
        return self._status is not None

    def _ask_to_end(self) -> None:
        """The stop signal to the server's group, and the grace to follow it."""
        if self._ended() or self._order["stop_signal"] == signal.SIGKILL:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._server.pid, self._order["stop_signal"])
        deadline = time.monotonic() + self._order["grace"]
        while not self._ended() and (left := deadline - time.monotonic()) > 0:
            if select.select([self._wake], [], [], left)[0]:
                os.read(self._wake, 4096)

    def _kill_all(self) -> None:
        """Until no child is left: whatever the tree drops is adopted here, so nothing can slip away."""
        deadline = time.monotonic() + _KILL_DEADLINE
        while time.monotonic() < deadline:
            left = process_table.descendants((os.getpid(),))
            for process in left:
                process_table.kill(process, signal.SIGKILL)
            self._ended()
            if not left:
                break
            time.sleep(0.005)
        leftovers.remove(self._order["leftovers"])

    def _cut_log(self) -> None:
        with suppress(OSError):
            if self._log.stat().st_size > LOG_LIMIT:
                os.truncate(self._log, 0)
                with self._log.open("a") as log:
                    log.write(f"(an earlier part of this log, {LOG_LIMIT} bytes, was cut)\n")

    def _usage(self) -> Event:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        living = sum(process.cpu_seconds for process in process_table.descendants((os.getpid(),)))
        return {"peak_memory": self._memory.peak, "cpu_seconds": children.ru_utime + children.ru_stime + living}

    def _tell(self, event: Event) -> None:
        with suppress(BrokenPipeError):
            os.write(1, json.dumps(event).encode() + b"\n")


def main() -> None:
    """Read one order, keep its server until it ends."""
    control = _Lines(0)
    line = control.first()
    if not line:
        return
    order: Order = json.loads(line)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    if order["other_cpus"]:
        with suppress(OSError):
            os.sched_setaffinity(0, order["other_cpus"])
    _Keeper(order, control).run()
    os._exit(0)  # everything is said and closed: an orderly end of the interpreter takes 10 ms, and the tuner waits
