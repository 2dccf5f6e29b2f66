"""What a container has used, read from its own control group by a command inside it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TypeVar

from tuner.errors import TemporaryError
from tuner.trial.kubernetes.shell import Shell
from tuner.trial.protocol import Usage

__all__ = ["COMMAND", "UseReader", "usage_of"]

_Number = TypeVar("_Number", int, float)
_FILES = "/sys/fs/cgroup/cpu.stat /sys/fs/cgroup/memory.stat"
_FILES_V1 = "/sys/fs/cgroup/cpuacct/cpuacct.usage /sys/fs/cgroup/memory/memory.stat"
_END = "."
COMMAND = ("sh", "-c", f"while read -r _; do cat {_FILES} {_FILES_V1} 2>/dev/null; echo {_END}; done")
"""A shell that waits; each look is one ``cat``. It is in the container's own figures: below 2 MiB."""


class UseReader:
    """Looks at a container; the last look, and the largest memory seen, stay when it has ended."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._seen = Usage(cpu_seconds=None, peak_memory=None)

    @property
    def seen(self) -> Usage:
        """The last look; ``None`` in it where the container never told (an image without a shell)."""
        return self._seen

    def look(self) -> Usage:
        """Look again where that is still possible."""
        with contextlib.suppress(TemporaryError):
            now = usage_of(self._shell.ask("", _END))
            before = self._seen
            self._seen = Usage(
                cpu_seconds=_largest(before.cpu_seconds, now.cpu_seconds),
                peak_memory=_largest(before.peak_memory, now.peak_memory),
            )
        return self._seen

    def close(self) -> None:
        """End the command in the container."""
        self._shell.close()


def usage_of(lines: Sequence[str]) -> Usage:
    """What control groups of version 2, or 1, say: ``usage_usec``, or nanoseconds; ``anon`` and ``shmem``, or ``rss``.

    Pages of files, which the kernel can drop, are left out.
    """
    counted = dict(_counters(lines))
    cpu = counted["usage_usec"] / 1e6 if "usage_usec" in counted else None
    if "" in counted:
        cpu = counted[""] / 1e9
    memory = None
    if "anon" in counted:
        memory = counted["anon"] + counted.get("shmem", 0)
    elif "total_rss" in counted:
        memory = counted["total_rss"] + counted.get("total_shmem", 0)
    return Usage(cpu_seconds=cpu, peak_memory=memory)


def _counters(lines: Sequence[str]) -> Iterator[tuple[str, int]]:
    for line in lines:
        name, _, number = line.rpartition(" ")
        if number.isdigit():
            yield name, int(number)


def _largest(one: _Number | None, other: _Number | None) -> _Number | None:
    return max((each for each in (one, other) if each is not None), default=None)
