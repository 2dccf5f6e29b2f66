"""Trials as local processes, without root: start, readiness, limits, stop, and nothing left behind.

The memory limit is watched, not enforced by the kernel: the keeper samples the whole process tree every 50 ms and
kills it above the limit. A cgroup would be exact, but needs a delegated subtree, which neither a container nor a plain
login gives; RLIMIT_AS and RLIMIT_DATA count address space, which an inference server reserves far beyond what it uses.
A CPU limit is a set of CPUs: the limit rounded up, the load generator on others.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
import psutil

from tuner.engine.protocol import Engine, Launch
from tuner.engine.workload import Resources, Workload
from tuner.errors import TemporaryError
from tuner.telemetry.logs import logger
from tuner.trial.cpus import CpuPlan, plan_cpus
from tuner.trial.excerpt import log_excerpt, mentions_port_in_use
from tuner.trial.folder import prepare_folder
from tuner.trial.gpus import choose_gpus
from tuner.trial.hardware import Hardware, survey
from tuner.trial.orphans import Register
from tuner.trial.outcome import Failed, FailureKind
from tuner.trial.ports import PortReservation, free, reserve
from tuner.trial.protocol import TrialFailedError
from tuner.trial.reference import ReferenceLoad, cpu_reference
from tuner.trial.server import ProcessServer

__all__ = ["ProcessBackend"]

_PORT_TRIES = 3
_POLL = 0.03

_log = logger("trial")


class _PortLostError(Exception):
    """Somebody else bound one of the ports between hand-over and the server's own bind."""


class ProcessBackend:
    """Runs servers on this machine.

    ``trials`` is where the folders of the trials go; ``state`` (by default a folder of the user) holds records and
    port locks, and is shared by every tuner of this user, whatever it works on. Times in seconds: a server has
    ``start_timeout`` to become ready, and ``grace`` to end after SIGTERM.
    """

    name = "process"

    def __init__(
        self,
        trials: Path,
        *,
        state: Path | None = None,
        start_timeout: float = 120.0,
        grace: float = 5.0,
        hardware: Hardware | None = None,
    ) -> None:
        state = platformdirs.user_state_path("tuner") if state is None else state
        self._trials = trials
        self._locks = state / "ports"
        self._register = Register(state / "servers")
        self._start_timeout = start_timeout
        self._grace = grace
        self._hardware = hardware

    @property
    def hardware(self) -> Hardware:
        """What this machine has, looked at once."""
        if self._hardware is None:
            self._hardware = survey()
        return self._hardware

    def cpus(self, resources: Resources) -> CpuPlan:
        """How the CPUs are split for these resources; UserError where this machine cannot give them."""
        return plan_cpus(resources.cpu, self.hardware.cpus, quota=self.hardware.cpu_quota)

    def generator_cpus(self, resources: Resources) -> tuple[int, ...]:
        """See the Protocol."""
        return self.cpus(resources).generator

    def start(self, engine: Engine, workload: Workload, model: Path, name: str) -> ProcessServer:
        """See the Protocol. A lost race for a port is tried again on other ports, in a new folder."""
        cpus = self.cpus(workload.resources)
        gpus = choose_gpus(workload.resources, self.hardware.gpus)
        for _ in range(_PORT_TRIES):
            reservation = reserve(self._locks)
            try:
                launch, folder = self._launch(engine, workload, model, name, reservation)
                launch = launch.model_copy(update={"environment": {**launch.environment, **gpus}})
                server = ProcessServer(
                    launch,
                    folder,
                    cpus,
                    memory=workload.resources.memory,
                    grace=self._grace,
                    register=self._register,
                    reservation=reservation,
                )
            except BaseException:
                reservation.release()
                raise
            try:
                self._await_ready(engine, server)
            except _PortLostError:
                _log.warning("a port was taken by another program, trying others", trial=name)
                server.stop()
                continue
            except BaseException:
                server.stop()
                raise
            return server
        raise TemporaryError(f"other programs took the server's ports {_PORT_TRIES} times in a row", delay=5.0)

    @contextmanager
    def reference(self, resources: Resources) -> Iterator[ReferenceLoad]:
        """See the Protocol."""
        with cpu_reference(self.cpus(resources).server) as load:
            yield load

    def reap(self) -> int:
        """See the Protocol: exactly the servers on record whose tuner is dead."""
        count = self._register.reap()
        if count:
            _log.warning("removed servers that a killed tuner left behind", servers=count)
        return count

    def _launch(
        self, engine: Engine, workload: Workload, model: Path, name: str, reservation: PortReservation
    ) -> tuple[Launch, Path]:
        folder = prepare_folder(self._trials, name)
        try:
            return engine.launch(workload, model, folder, reservation.ports), folder
        except OSError as error:
            raise TemporaryError(f"cannot prepare {folder}: {error}", delay=5.0) from error

    def _await_ready(self, engine: Engine, server: ProcessServer) -> None:
        deadline = time.monotonic() + self._start_timeout
        try:
            while not engine.ready(server.endpoint):
                server.wait(_POLL)
                if time.monotonic() > deadline:
                    raise TrialFailedError(_never_ready(server, self._start_timeout))
            # Ready may be the answer of somebody else's server on our port.
            server.check()
        except TrialFailedError as error:
            if error.failed.failure is FailureKind.START and _port_lost(server):
                raise _PortLostError from error
            raise
        if _foreign_listener(server):
            raise _PortLostError
        server.ready = True


def _never_ready(server: ProcessServer, seconds: float) -> Failed:
    excerpt = log_excerpt(server.log)
    what = f"the server was alive but not ready after {seconds:g} s"
    return Failed(failure=FailureKind.START_TIMEOUT, reason=f"{what}\n{excerpt}" if excerpt else what)


def _port_lost(server: ProcessServer) -> bool:
    """Did the server end because a port was taken? It is dead, so whoever holds one is not the server."""
    return mentions_port_in_use(server.log) or not all(free(port) for port in _ports(server))


def _foreign_listener(server: ProcessServer) -> bool:
    """Whether a port of this server is held by a process that is not the server's.

    Who holds a port is looked up after it was seen taken: a server that is still binding is not taken for another.
    """
    taken = {port for port in _ports(server) if not free(port)}
    own: set[int] = set()
    for pid in server.pids:
        try:
            own |= {entry.laddr.port for entry in psutil.Process(pid).net_connections("tcp") if entry.laddr}
        except psutil.NoSuchProcess:
            continue
        except psutil.AccessDenied:
            return False  # a server that changed its user: there is no telling
    return not taken <= own


def _ports(server: ProcessServer) -> tuple[int, int, int]:
    ports = server.endpoint.ports
    return ports.http, ports.grpc, ports.metrics
