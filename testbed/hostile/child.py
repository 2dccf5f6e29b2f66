"""One process over families of the corpus, so that its memory is theirs: ``python -m testbed.hostile.child FAMILY …``.

Prints one JSON object: the inputs, what the doors did wrong, the slowest input and the peak memory in bytes. An input
that raises the peak beyond the limit is named, too.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from pathlib import Path
from typing import Any

from testbed.hostile.corpus import family
from testbed.hostile.door import complaint
from testbed.hostile.doors import DOORS

__all__ = ["MEMORY", "examine"]

MEMORY = 200 * 1_000_000
"""Bytes that a process may hold, itself and the input included."""
_SMALL = 1 << 16


def examine(door: str) -> dict[str, Any]:
    """Knock with every input of one family."""
    complaints: list[str] = []
    count, slowest, most = 0, (0.0, ""), 0
    _forget()
    for entry in family(door):
        if len(entry.raw) > _SMALL:
            _forget()
        began = time.process_time()
        wrong = complaint(DOORS[door], entry.raw)
        slowest = max(slowest, (round(time.process_time() - began, 3), entry.name))
        count += 1
        peak = _peak()
        most = max(most, peak)
        if peak > MEMORY:
            complaints.append(f"{door}/{entry.name}: {peak / 1e6:.0f} MB")
            _forget()
        if wrong is not None:
            complaints.append(f"{door}/{entry.name}: {wrong}")
    return {"door": door, "inputs": count, "complaints": complaints, "slowest": slowest, "peak": most}


def _peak() -> int:
    """The most that was resident since ``_forget`` (RLIMIT_AS would count address space that is never used)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def _forget() -> None:
    """Begin to count anew: what making the inputs took is not the door's (proc(5), ``clear_refs``)."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")


if __name__ == "__main__":
    for told in map(examine, sys.argv[1:]):
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
