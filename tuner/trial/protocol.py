"""The one narrow door to a place where trials run."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from tuner.engine.protocol import Endpoint, Engine
from tuner.engine.workload import Resources, Workload
from tuner.measurement.interference import Interference
from tuner.measurement.resource_use import ResourceUse
from tuner.trial.outcome import Failed
from tuner.trial.reference import ReferenceLoad
from tuner.value import Value

__all__ = [
    "Backend",
    "InconclusiveTrialError",
    "Observation",
    "Observed",
    "Server",
    "TrialFailedError",
    "Usage",
    "Used",
]


class TrialFailedError(Exception):
    """The configuration could not be started or did not stay up; carried to the outcome by ``tuner.trial.run``."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.reason)
        self.failed = failed


class InconclusiveTrialError(Exception):
    """The measurement cannot be believed: whoever measures raises it with the reason, and the trial is Inconclusive."""


class Usage(Value):
    """What a server has used since it was started: all of its processes, those that ended included.

    ``peak_memory`` in bytes: anonymous and shared pages, each counted once; mapped files, which the kernel can drop,
    are left out. ``None`` where the place cannot say.
    """

    cpu_seconds: float | None
    peak_memory: int | None


class Used(Usage):
    """The same of a place that can always say."""

    cpu_seconds: float
    peak_memory: int


class Observed(Value):
    """What was seen beside the load; ``None`` where the place cannot say."""

    use: ResourceUse | None = None
    interference: Interference | None = None


class Observation(Protocol):
    """A server and its machine, watched since it was made."""

    def end(self) -> Observed:
        """What happened since the beginning; the watching is over."""
        ...


class Server(Protocol):
    """A started server. ``stop`` may be called any number of times and leaves nothing behind."""

    @property
    def endpoint(self) -> Endpoint: ...

    @property
    def generator_cpus(self) -> tuple[int, ...]:
        """CPUs of this machine that the load generator keeps to; empty where any will do."""
        ...

    @property
    def template(self) -> str | None:
        """Digest of the service's pod template that it was started from (``PodTemplate.digest``); ``None``: of none."""
        ...

    def check(self) -> None:
        """Raise TrialFailedError (DIED, OUT_OF_MEMORY) where the server is no longer alive.

        TemporaryError where it ended by the machine's fault (a full disk, a killed keeper).
        """
        ...

    def usage(self) -> Usage:
        """What it has used so far; the last word once it has ended."""
        ...

    def observe(self) -> AbstractContextManager[Observation]:
        """Watch it and its machine while it is measured; the watching ends with the context at the latest."""
        ...

    def stop(self) -> None:
        """End it and everything that it started; any number of times. TemporaryError where something survives."""
        ...


class Backend(Protocol):
    """Starts servers. TemporaryError where the machine, not the configuration, is at fault."""

    name: str

    def start(self, engine: Engine, workload: Workload, model: Path, name: str) -> Server:
        """Start a server and return when it is ready. Raises TrialFailedError (START, START_TIMEOUT, OUT_OF_MEMORY).

        ``name`` is a plain file name; logs and rendered files are kept under it. UserError where this place can never
        give what the workload asks for, or the model cannot be served at all.
        """
        ...

    def reference(self, resources: Resources) -> AbstractContextManager[ReferenceLoad]:
        """The fixed piece of work that tells the speed of the cores that a server with these resources gets.

        UserError where this machine cannot give them.
        """
        ...

    def generator_cpus(self, resources: Resources) -> tuple[int, ...]:
        """``Server.generator_cpus`` of a server with these resources; UserError where this place cannot give them."""
        ...

    def reap(self) -> int:
        """Remove what a killed tuner left behind; returns how many servers that were."""
        ...
