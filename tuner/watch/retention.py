"""Letting go: campaigns of the queue that ended long ago, and what their processes left in the state folder.

The audit branch of each repository keeps every campaign; nothing here touches it.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import delete

from tuner.watch.job import State
from tuner.watch.queue import Queue
from tuner.watch.tables import campaigns

__all__ = ["prune"]

_ENDED = (State.DONE, State.FAILED, State.SUPERSEDED, State.WITHDRAWN)
_IN_USE = 3600.0
"""Seconds since its last write, below which a campaign's folder may belong to a process that runs."""


def prune(queue: Queue, state: Path, keep: float) -> int:
    """Remove what ended more than ``keep`` seconds ago; how many rows and folders that were."""
    now = queue.clock()
    old = campaigns.c.state.in_(_ENDED) & (campaigns.c.wanted_at < now - keep)
    old &= campaigns.c.ended_at.is_(None) | (campaigns.c.ended_at < now - keep)
    with queue.transaction() as connection:
        removed = connection.execute(delete(campaigns).where(old)).rowcount
    limit = time.time() - max(keep, _IN_USE)
    for path in _left(state, limit):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        removed += 1
    return removed


def _left(state: Path, limit: float) -> Iterator[Path]:
    for folder in (state / "campaigns", state / "watch" / "logs"):
        if not folder.is_dir():
            continue
        for path in folder.iterdir():
            if _touched(path) < limit:
                yield path


def _touched(path: Path) -> float:
    """The last write to a file or to what is directly in a folder."""
    try:
        inside = path.iterdir() if path.is_dir() and not path.is_symlink() else ()
        return max([path.lstat().st_mtime, *(each.lstat().st_mtime for each in inside)])
    except OSError:  # removed meanwhile
        return time.time()
