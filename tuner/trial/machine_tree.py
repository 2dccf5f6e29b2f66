"""The kernel's files about CPUs, pressure and throttling: bounded, tolerant readings. What is absent is ``None``.

``psutil`` is not asked here: its list of CPUs loses their numbers where one is off, and it knows neither pressure nor
the throttling of control groups.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CoreTime", "MachineTree", "Throttling"]

_LIMIT = 1 << 20
"""Bytes; no file that is read here is longer, and one that pretends to be is cut."""
_TICKS = os.sysconf("SC_CLK_TCK")
_FIELDS = 8
"""user, nice, system, idle, iowait, irq, softirq, steal (proc(5)); guest time is inside user."""


@dataclass(frozen=True, slots=True)
class CoreTime:
    """Seconds of one CPU since boot. ``work`` is what processes used, interrupts left out."""

    work: float
    stolen: float
    total: float


@dataclass(frozen=True, slots=True)
class Throttling:
    """The scheduler's periods of a control group with a CPU quota, and those in which the quota was used up."""

    periods: int
    throttled: int


@dataclass(frozen=True, slots=True)
class MachineTree:
    """Where the kernel shows itself; another root for tests."""

    root: Path = Path("/")

    def core_times(self) -> Mapping[int, CoreTime] | None:
        """By CPU number; ``None`` where the kernel does not tell CPUs apart."""
        found = dict(_core_times(self._lines("proc/stat")))
        return found or None

    def pressure(self, resource: str) -> float | None:
        """Seconds since boot in which some process waited for ``cpu``, ``memory`` or ``io``."""
        for line in self._lines(f"proc/pressure/{resource}"):
            if line.startswith("some "):
                return _scaled(_field(line, "total="), 1e-6)
        return None

    def throttling(self) -> Throttling | None:
        """Of the innermost control group with a quota around this process, of either version; ``None`` without one."""
        for folder in self._groups("cpu"):
            found = dict(_pairs(self._lines(f"{folder}/cpu.stat")))
            if "nr_periods" in found and "nr_throttled" in found and found["nr_periods"] > 0:
                return Throttling(found["nr_periods"], found["nr_throttled"])
        return None

    def counts_throttling(self) -> bool:
        """Whether a control group of this process counts throttled periods, be there a quota or not."""
        return any("nr_throttled" in dict(_pairs(self._lines(f"{folder}/cpu.stat"))) for folder in self._groups("cpu"))

    def frequency(self, cpus: Iterable[int]) -> float | None:
        """Mean clock of these CPUs in Hz; ``None`` where it does not show (most virtual machines)."""
        folder = "sys/devices/system/cpu"
        read = (self._lines(f"{folder}/cpu{cpu}/cpufreq/scaling_cur_freq") for cpu in cpus)
        found = [kilohertz for lines in read if lines and (kilohertz := _whole(lines[0]))]
        return 1000 * sum(found) / len(found) if found else None

    def cpu_quota(self) -> float | None:
        """Cores that the tightest control group around this process allows; ``None`` without a quota."""
        found = [quota for folder in self._groups("cpu") if (quota := self._quota(folder)) is not None]
        return min(found, default=None)

    def memory_limit(self) -> int | None:
        """Bytes that the tightest control group around this process allows; ``None`` without a limit."""
        files = ("memory.max", "memory.limit_in_bytes")
        read = (self._lines(f"{folder}/{file}") for folder in self._groups("memory") for file in files)
        return min((limit for lines in read if lines and (limit := _whole(lines[0])) is not None), default=None)

    def _quota(self, folder: str) -> float | None:
        """Version 2 says ``max`` without a quota, version 1 says -1: neither is a number here."""
        both = (self._lines(f"{folder}/cpu.max") or [""])[0].split()
        if len(both) != 2:
            both = [(self._lines(f"{folder}/cpu.cfs_{name}_us") or [""])[0] for name in ("quota", "period")]
        quota, period = map(_whole, both)
        return quota / period if quota and period else None

    def _groups(self, controller: str) -> Iterator[str]:
        """Folders of the control groups around this process, innermost first; version 2 and version 1."""
        for line in self._lines("proc/self/cgroup"):
            number, _, rest = line.partition(":")
            controllers, _, path = rest.partition(":")
            if number == "0" and not controllers:
                for mount in ("sys/fs/cgroup", "sys/fs/cgroup/unified"):
                    yield from _up(mount, path)
            elif controller in controllers.split(","):
                for name in dict.fromkeys((controllers, controller)):
                    yield from _up(f"sys/fs/cgroup/{name}", path)

    def _lines(self, name: str) -> list[str]:
        try:
            with (self.root / name).open("rb") as file:
                return file.read(_LIMIT).decode(errors="replace").splitlines()
        except (OSError, ValueError):  # ValueError: a path with a NUL, from a file that cannot be trusted
            return []


def _up(mount: str, path: str) -> Iterator[str]:
    """The group's folder and those around it, the mount itself last: a container sees its own group there."""
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    for count in range(len(parts), -1, -1):
        yield "/".join((mount, *parts[:count]))


def _core_times(lines: Iterable[str]) -> Iterator[tuple[int, CoreTime]]:
    for line in lines:
        name, *words = line.split()[: _FIELDS + 1] or [""]
        number = _whole(name.removeprefix("cpu")) if name.startswith("cpu") else None
        ticks = [value for word in words if (value := _whole(word)) is not None]
        if number is not None and len(ticks) == _FIELDS:
            work, total = sum(ticks[:3]), sum(ticks)
            yield number, CoreTime(work / _TICKS, ticks[7] / _TICKS, total / _TICKS)


def _pairs(lines: Iterable[str]) -> Iterator[tuple[str, int]]:
    for line in lines:
        name, _, rest = line.partition(" ")
        value = _whole(rest)
        if value is not None:
            yield name, value


def _field(line: str, key: str) -> int | None:
    return next((_whole(word.removeprefix(key)) for word in line.split() if word.startswith(key)), None)


def _whole(text: str) -> int | None:
    """A count as the kernel writes it: ASCII digits, at most 20 of them."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else None


def _scaled(count: int | None, unit: float) -> float | None:
    return None if count is None else count * unit
