"""Measuring again: which specs are due by their schedule, and the campaigns that this means."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy import Connection, select, update

from tuner.spec.schedule import next_time
from tuner.watch.tables import specs

__all__ = ["due", "next_due", "occasion_of"]

_SPREAD = 300.0
"""Seconds over which specs with the same schedule are spread."""


def next_due(schedule: str, now: float) -> float | None:
    """When a spec with this schedule is due after ``now``, in seconds since 1970."""
    moment = next_time(schedule, datetime.fromtimestamp(now, UTC))
    return None if moment is None else moment.timestamp()


def occasion_of(due_at: float) -> str:
    """Names the time that a schedule named; part of the campaign's identity."""
    return datetime.fromtimestamp(due_at, UTC).strftime("%Y-%m-%dT%H:%MZ")


def due(connection: Connection, now: float) -> Mapping[str, list[tuple[str, str]]]:
    """Path and occasion of each spec that is due, by repository; each is due again at its next time after ``now``.

    A service that slept over several times measures once.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    rows = connection.execute(select(specs).where(specs.c.due_at.is_not(None) & (specs.c.due_at <= now))).all()
    for row in rows:
        if row.due_at + zlib.crc32(row.path.encode()) % _SPREAD > now:
            continue
        again = next_due(row.schedule, now)
        mine = (specs.c.repository == row.repository) & (specs.c.path == row.path)
        connection.execute(update(specs).where(mine).values(due_at=again))
        found.setdefault(row.repository, []).append((row.path, occasion_of(row.due_at)))
    return found
