"""Watching a local server and its machine while it is measured: two looks at the counters, samples in between."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

import pynvml

from tuner.measurement.resource_use import ResourceUse
from tuner.trial.disturbance import interference, look
from tuner.trial.gpu_use import GpuReader, UseNvml
from tuner.trial.machine_tree import MachineTree
from tuner.trial.protocol import Observed

__all__ = ["EVERY", "LocalObservation", "observe_local"]

EVERY = 1.0
"""Seconds between samples of GPUs and clocks: often enough for a peak, seldom enough to cost nothing."""


class LocalObservation:
    """What is seen from its making until ``end``."""

    def __init__(
        self,
        cpus: Collection[int],
        cpu_seconds: Callable[[], float | None],
        gpus: GpuReader,
        *,
        every: float = EVERY,
        tree: MachineTree | None = None,
    ) -> None:
        self._tree = MachineTree() if tree is None else tree
        self._cpus = tuple(cpus)
        self._cpu_seconds = cpu_seconds
        self._gpus = gpus
        self._every = every
        self._clocks: list[float] = []
        self._over = threading.Event()
        self._used = cpu_seconds()
        self._began = time.monotonic()
        self._begin = look(self._cpus, self._tree)
        # Without a GPU and without a visible clock there is nothing to sample.
        sampled = gpus.useful or self._begin.frequency is not None
        self._thread = threading.Thread(target=self._sample, name="tuner-observation", daemon=True) if sampled else None
        if self._thread is not None:
            self._thread.start()

    def end(self) -> Observed:
        """Look again: what happened since the beginning."""
        end = look(self._cpus, self._tree)
        used, elapsed = self._cpu_seconds(), time.monotonic() - self._began
        self.close()
        spent = None if used is None or self._used is None else max(used - self._used, 0.0)
        return Observed(
            use=ResourceUse(elapsed=elapsed, cpu_seconds=spent, gpus=self._gpus.uses()),
            interference=interference(self._begin, end, self._clocks),
        )

    def close(self) -> None:
        """Stop sampling; any number of times."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        self._gpus.close()

    def _sample(self) -> None:
        while True:
            self._gpus.sample()
            clock = self._tree.frequency(self._cpus)
            if clock is not None:
                self._clocks.append(clock)
            if self._over.wait(self._every):
                return


@contextmanager
def observe_local(
    cpus: Collection[int],
    cpu_seconds: Callable[[], float | None],
    gpus: Sequence[str],
    pids: Callable[[], Collection[int]],
    nvml: UseNvml = pynvml,
) -> Iterator[LocalObservation]:
    """Observe a server on these CPUs and GPUs (by UUID) of this machine; the sampling ends with the context."""
    observation = LocalObservation(cpus, cpu_seconds, GpuReader(gpus, pids, nvml))
    try:
        yield observation
    finally:
        observation.close()
