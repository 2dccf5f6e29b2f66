"""The process behind the reference load: it keeps to one CPU and does a fixed piece of work when asked.

Control (standard input): a line with the seconds to work. Answer (standard output): one JSON line, the rounds a second
of each part of that time. It ends with its standard input. Standard library only, in a bare interpreter.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import signal
import sys
import time

__all__ = ["PARTS", "main", "work"]

PARTS = 10
"""Parts of one run that are told apart, for the interval."""
_BLOCK = 16 * 1024
_BUFFER = 2 * 1024 * 1024
_PR_SET_PDEATHSIG = 1


class _Kernel:
    """Hashing for the processor's speed, copying beyond the inner caches for the memory's: what a server does, too."""

    def __init__(self) -> None:
        self._block = bytes(_BLOCK)
        self._from = bytearray(_BUFFER)
        self._to = bytearray(_BUFFER)

    def round(self) -> None:
        for _ in range(8):
            hashlib.sha256(self._block).digest()
        self._to[:] = self._from


def work(seconds: float) -> list[float]:
    """Rounds a second by wall clock, for each of the parts: time that the CPU was elsewhere counts."""
    kernel, rates = _Kernel(), []
    kernel.round()
    for _ in range(PARTS):
        began = now = time.perf_counter()
        rounds = 0
        while now - began < seconds / PARTS:
            kernel.round()
            rounds += 1
            now = time.perf_counter()
        rates.append(rounds / (now - began))
    return rates


def main() -> None:
    """Serve the process that started this one, on the CPU that it named, until it closes the pipe."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt at the terminal is the campaign's to handle
    os.sched_setaffinity(0, [int(sys.argv[2])])
    for line in sys.stdin:
        sys.stdout.write(json.dumps(work(float(line))) + "\n")
        sys.stdout.flush()
