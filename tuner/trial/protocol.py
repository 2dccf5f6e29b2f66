"""The one narrow door to a place where trials run."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from tuner.engine.protocol import Endpoint, Engine
from tuner.engine.workload import Workload
from tuner.trial.outcome import Failed
from tuner.value import Value

__all__ = ["Backend", "Server", "TrialFailedError", "Usage"]


class TrialFailedError(Exception):
    """The configuration could not be started or did not stay up; carried to the outcome by ``tuner.trial.run``."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.reason)
        self.failed = failed


class Usage(Value):
    """What a server has used so far."""

    cpu_seconds: float
    peak_memory: int


class Server(Protocol):
    """A started server. ``stop`` may be called any number of times and leaves nothing behind."""

    @property
    def endpoint(self) -> Endpoint: ...

    def check(self) -> None:
        """Raise TrialFailedError (DIED, OUT_OF_MEMORY) where the server is no longer alive."""
        ...

    def usage(self) -> Usage: ...

    def stop(self) -> None: ...


class Backend(Protocol):
    """Starts servers. TemporaryError where the machine, not the configuration, is at fault."""

    name: str

    def start(self, engine: Engine, workload: Workload, model: Path, name: str) -> Server:
        """Start a server and return when it is ready. Raises TrialFailedError (START, START_TIMEOUT, OUT_OF_MEMORY)."""
        ...

    def reap(self) -> int:
        """Remove what a killed tuner left behind; returns how many servers that were."""
        ...
