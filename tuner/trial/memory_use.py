"""How much memory a group of processes holds that no reclaim can free: anonymous and shared pages.

That is what a container's limit is about; mapped files are left out because the kernel drops them under pressure.
Standard library only: the keeper runs it in a bare interpreter.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

__all__ = ["at_most", "exact", "kernel_kills"]


def _kilobytes(file: Path, keys: tuple[bytes, ...]) -> int | None:
    """Sum of the named fields in bytes; ``None`` where the process is gone or a field is missing."""
    try:
        lines = file.read_bytes().splitlines()
    except OSError:
        return None
    found = [int(line.split()[1]) * 1024 for line in lines if line.startswith(keys)]
    return sum(found) if len(found) == len(keys) else None


def at_most(pids: Iterable[int]) -> int:
    """Bytes, quickly: pages that two processes share are counted twice, so the truth is never above."""
    return sum(_kilobytes(Path(f"/proc/{pid}/status"), (b"RssAnon:", b"RssShmem:")) or 0 for pid in pids)


def exact(pids: Iterable[int]) -> int:
    """Bytes, each page counted once (proportional set size); costs the process a short lock, so it is asked rarely."""
    total = 0
    for pid in pids:
        size = _kilobytes(Path(f"/proc/{pid}/smaps_rollup"), (b"Pss_Anon:", b"Pss_Shmem:"))
        total += at_most((pid,)) if size is None else size
    return total


def kernel_kills() -> int:
    """How many processes the kernel has killed for want of memory since boot; 0 where it does not say."""
    try:
        lines = Path("/proc/vmstat").read_bytes().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(b"oom_kill ")), 0)
