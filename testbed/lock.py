"""One builder at a time: a lock in a file, for as long as the process that has it lives."""

from __future__ import annotations

import fcntl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["locked"]


@contextmanager
def locked(file: Path, name: str) -> Iterator[None]:
    """Hold the lock, waiting for another process that builds ``name`` and saying so; the folder is made first."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write(f"{name}: another process is building it, waiting\n")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
