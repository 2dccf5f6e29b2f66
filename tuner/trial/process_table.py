"""The machine's processes as ``/proc`` shows them, and signals that never reach a reused process id.

Standard library only: the keeper runs it in a bare interpreter.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "Process",
    "boot",
    "descendants",
    "environment_value",
    "find",
    "kill",
    "living",
    "namespace",
    "newest",
    "processes",
]

_TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """One process. ``start`` in clock ticks since boot: (pid, start) is never given out twice before a reboot.

    ``cpu_seconds`` includes the children that it has waited for.
    """

    pid: int
    parent: int
    group: int
    session: int
    start: int
    cpu_seconds: float
    zombie: bool


def boot() -> str:
    """The kernel's name for the time since the machine was switched on."""
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


def namespace() -> str:
    """The process-id namespace of this process: ids of another one mean nothing here."""
    return str(Path("/proc/self/ns/pid").readlink())


def find(pid: int) -> Process | None:
    """The process with this id; ``None`` where there is none. Zombies are processes, too."""
    try:
        raw = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # The name in parentheses may hold blanks and parentheses, so fields count from the last one (proc(5)).
    fields = raw[raw.rindex(b")") + 2 :].split()
    cpu = sum(int(ticks) for ticks in fields[11:15]) / _TICKS
    return Process(pid, int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]), cpu, fields[0] in b"ZX")


def living(pid: int, start: int) -> bool:
    """Whether exactly this process, and not a later one with its number, is still running."""
    process = find(pid)
    return process is not None and process.start == start and not process.zombie


def processes() -> dict[int, Process]:
    """All processes that this process can see, by id."""
    pids = (int(name) for name in os.listdir(_PROC) if name.isdigit())  # noqa: PTH208 - names only, no Path each
    return {process.pid: process for pid in pids if (process := find(pid)) is not None}


def newest() -> int:
    """The id given out last: as long as it stays, no process and no thread was made. -1 where it cannot be read."""
    try:
        return int((_PROC / "loadavg").read_bytes().split()[-1])
    except (OSError, ValueError):
        return -1


def descendants(roots: Iterable[int], table: dict[int, Process] | None = None) -> list[Process]:
    """Children, grandchildren … of the roots; the roots themselves not included."""
    table = processes() if table is None else table
    children: dict[int, list[Process]] = {}
    for process in table.values():
        children.setdefault(process.parent, []).append(process)
    found: dict[int, Process] = {}
    waiting = list(roots)
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child.pid not in found:
                found[child.pid] = child
                waiting.append(child.pid)
    return list(found.values())


def environment_value(pid: int, name: str) -> str | None:
    """A variable that a process was started with; ``None`` where it is absent or not ours to read."""
    try:
        raw = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return None
    prefix = name.encode() + b"="
    return next(
        (item[len(prefix) :].decode(errors="replace") for item in raw.split(b"\0") if item.startswith(prefix)), None
    )


def kill(process: Process, number: signal.Signals) -> bool:
    """Send a signal to exactly this process; False where it has ended, even when its id is in use again."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return False
    except OSError:  # a kernel or a sandbox without pidfd: the check and the signal are two steps then
        return living(process.pid, process.start) and _kill(process.pid, number)
    try:
        if not living(process.pid, process.start):
            return False
        signal.pidfd_send_signal(handle, number)
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        os.close(handle)
    return True


def _kill(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
