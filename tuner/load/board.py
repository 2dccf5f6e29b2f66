"""What the workers of one load tell each other while it lasts: how many requests each has seen miss a bound.

One small piece of shared memory, a row for each worker; a worker writes its own row and reads all. Numbers may be a
little old, which only delays an end that is certain anyway.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence

import numpy as np

__all__ = ["COLUMNS", "Board"]

COLUMNS = 64
"""Numbers that a worker can tell."""


class Board:
    """The rows of ``workers`` in the memory behind a file descriptor; this process writes row ``own``."""

    def __init__(self, memory: int, workers: int, own: int = 0) -> None:
        self._map = mmap.mmap(memory, workers * COLUMNS * 8)
        self._rows = np.frombuffer(self._map, np.int64).reshape(workers, COLUMNS)
        self._own = own

    @staticmethod
    def memory(workers: int) -> int:
        """A new descriptor of memory for so many workers, all zero."""
        descriptor = os.memfd_create("tuner-load")
        os.ftruncate(descriptor, workers * COLUMNS * 8)
        return descriptor

    def clear(self) -> None:
        """Forget the last load; before the orders of the next one go out."""
        self._rows[:] = 0

    def together(self, counts: Sequence[int]) -> list[int]:
        """Tell the own counts; the sums over all workers."""
        self._rows[self._own, : len(counts)] = counts
        sums: list[int] = self._rows[:, : len(counts)].sum(axis=0).tolist()
        return sums
