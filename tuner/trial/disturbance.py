"""Two looks at the machine, before and after a measurement, and what they say about everybody else on it."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from tuner.measurement.interference import Interference, marks_of
from tuner.trial import process_table
from tuner.trial.machine_tree import CoreTime, MachineTree, Throttling

__all__ = ["Snapshot", "interference", "look"]

_RESOURCES = ("cpu", "memory", "io")
_SHORTEST = 0.2
"""Seconds; the kernel counts CPU time in ticks of 10 ms, so a shorter time says nothing."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The machine's counters at one moment. ``at`` in seconds (monotonic), ``own`` in CPU seconds."""

    at: float
    cpus: tuple[int, ...]
    cores: Mapping[int, CoreTime] | None = None
    own: float | None = None
    """CPU time of this process and of all that it has started and that may run on these CPUs: the server, keepers."""
    pressure: Mapping[str, float | None] = field(default_factory=dict)
    throttling: Throttling | None = None
    frequency: float | None = None


def look(cpus: Collection[int], tree: MachineTree | None = None) -> Snapshot:
    """Look at the CPUs of a trial and at the machine around them; takes some milliseconds and never fails."""
    tree = MachineTree() if tree is None else tree
    return Snapshot(
        at=time.monotonic(),
        cpus=tuple(sorted(cpus)),
        cores=tree.core_times(),
        own=_own_time(frozenset(cpus)),
        pressure={name: tree.pressure(name) for name in _RESOURCES},
        throttling=tree.throttling(),
        frequency=tree.frequency(cpus),
    )


def interference(begin: Snapshot, end: Snapshot, frequencies: Collection[float] = ()) -> Interference:
    """What happened between two looks at the same CPUs. ``frequencies``: further readings in between, in Hz."""
    elapsed = max(end.at - begin.at, 0.0)
    clocks = [clock for clock in (begin.frequency, *frequencies, end.frequency) if clock is not None]
    steal, foreign = _taken(begin, end, elapsed)
    waiting = {name: _grown(begin.pressure.get(name), end.pressure.get(name), elapsed) for name in _RESOURCES}
    found = Interference(
        elapsed=elapsed,
        cores=len(begin.cpus),
        steal=steal,
        foreign=foreign,
        throttled=_throttled(begin.throttling, end.throttling),
        cpu_waiting=waiting["cpu"],
        memory_waiting=waiting["memory"],
        io_waiting=waiting["io"],
        frequency_low=min(clocks, default=None),
        frequency_high=max(clocks, default=None),
    )
    return found.model_copy(update={"marks": marks_of(found)})


def _taken(begin: Snapshot, end: Snapshot, elapsed: float) -> tuple[float | None, float | None]:
    """Shares of the CPUs' time that were stolen, and that foreign processes used."""
    if begin.cores is None or end.cores is None or elapsed < _SHORTEST:
        return None, None
    pairs = [(begin.cores[cpu], end.cores[cpu]) for cpu in begin.cpus if cpu in begin.cores and cpu in end.cores]
    total = sum(after.total - before.total for before, after in pairs)
    available = elapsed * len(begin.cpus)
    # Some sandboxes show counters that stand still, or those of another machine.
    if not pairs or not 0.5 * available < total < 2 * available:
        return None, None
    steal = sum(after.stolen - before.stolen for before, after in pairs) / total
    if begin.own is None or end.own is None:
        return _share(steal), None
    work = sum(after.work - before.work for before, after in pairs)
    return _share(steal), _share((work - (end.own - begin.own)) / total)


def _own_time(cpus: frozenset[int]) -> float | None:
    """One pass over the process table; ``None`` where it does not show this very process."""
    table = process_table.processes()
    own = table.get(os.getpid())
    if own is None:
        return None
    mine = (own, *process_table.descendants((own.pid,), table))
    return sum(process.cpu_seconds for process in mine if _may_run_on(process.pid, cpus))


def _may_run_on(pid: int, cpus: frozenset[int]) -> bool:
    """A generator on CPUs of its own takes nothing from these."""
    try:
        return not cpus.isdisjoint(os.sched_getaffinity(pid))
    except OSError:  # it has ended since
        return True


def _throttled(begin: Throttling | None, end: Throttling | None) -> float | None:
    if begin is None or end is None:
        return None
    periods = end.periods - begin.periods
    return _share((end.throttled - begin.throttled) / periods) if periods > 0 else 0.0


def _grown(begin: float | None, end: float | None, elapsed: float) -> float | None:
    return None if begin is None or end is None or elapsed <= 0 else _share((end - begin) / elapsed)


def _share(value: float) -> float:
    """Counters that are read one after the other may differ by a tick: never below 0 or above 1."""
    return round(min(max(value, 0.0), 1.0), 6)
