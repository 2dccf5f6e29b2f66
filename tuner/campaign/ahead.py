"""What later work needs, done while a server starts: nobody else works then, and there is no load to disturb.

Reading the code of a library takes up to a second. Done when it is first needed, it would keep the machine waiting
between two trials; done before the first trial, it would keep the campaign waiting.
"""

from __future__ import annotations

import importlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from tuner.engine.protocol import Engine
from tuner.engine.workload import Resources, Workload
from tuner.telemetry.tracing import span
from tuner.trial.protocol import Backend, Server
from tuner.trial.reference import ReferenceLoad

__all__ = ["Ahead", "AheadBackend", "Task", "imports"]

Cpus = tuple[int, ...]
Task = Callable[[Cpus], object]


class Ahead:
    """Tasks in the order in which they will be needed: those of one entry are done at one start of a server.

    A task that fails is no matter here: whoever needs its work does it again, and tells. Used by one thread.
    """

    def __init__(self, tasks: Iterable[Sequence[Task]] = ()) -> None:
        self._tasks = deque(tasks)
        self._threads: list[threading.Thread] = []

    def begin(self, cpus: Cpus) -> None:
        """Do the next tasks beside the caller, on these CPUs (any, where none is given)."""
        self.finish()
        for task in self._tasks.popleft() if self._tasks else ():
            thread = threading.Thread(target=_do, args=(task, cpus), daemon=True)
            thread.start()
            self._threads.append(thread)

    def finish(self) -> None:
        """Wait for the tasks that have begun, so that no load runs beside them."""
        if self._threads:
            with span("ahead"):
                while self._threads:
                    self._threads[-1].join()
                    self._threads.pop()


class AheadBackend:
    """A backend whose starts are used; fulfils ``Backend``. Whoever loads the server calls ``Ahead.finish`` before."""

    def __init__(self, inner: Backend, ahead: Ahead) -> None:
        self.name = inner.name
        self._inner = inner
        self._ahead = ahead

    def start(self, engine: Engine, workload: Workload, model: Path, name: str) -> Server:
        self._ahead.begin(self.generator_cpus(workload.resources))
        return self._inner.start(engine, workload, model, name)

    def reference(self, resources: Resources) -> AbstractContextManager[ReferenceLoad]:
        return self._inner.reference(resources)

    def generator_cpus(self, resources: Resources) -> Cpus:
        return self._inner.generator_cpus(resources)

    def reap(self) -> int:
        return self._inner.reap()


def imports(module: str) -> Task:
    """The task of reading a module and all that it imports."""
    return lambda _: importlib.import_module(module)


def _do(task: Task, cpus: Cpus) -> None:
    if cpus:
        os.sched_setaffinity(0, cpus)  # of this thread alone: the server that starts has the others to itself
    with suppress(Exception):  # see Ahead
        task(cpus)
