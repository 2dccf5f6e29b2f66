"""When a merged configuration is measured again: five fields as in cron, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import Annotated

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, WithJsonSchema

from tuner.spec.mistake import Mistake, shown

__all__ = ["Schedule", "next_time"]

_NAMED = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *"}
_LONGEST = 100
_CLOSEST = 3600.0


def next_time(schedule: str, after: datetime) -> datetime | None:
    """The first time after ``after`` (with a time zone) that a valid schedule names; None where none will come."""
    return next(_times(schedule, after), None)


def _times(schedule: str, after: datetime) -> CronSim:
    return CronSim(_NAMED.get(schedule, schedule), after.astimezone(UTC))


def _schedule(text: str) -> str:
    if len(text) > _LONGEST or len(_NAMED.get(text, text).split()) != 5:
        raise Mistake(
            f"{shown(text)} is not a schedule",
            'write five fields as in cron, in UTC, for example "0 3 * * 0", or @weekly',
        )
    try:
        times = _times(text, datetime(2024, 1, 1, tzinfo=UTC))
        first = [time for _, time in zip(range(25), times, strict=False)]
    except CronSimError as error:
        raise Mistake(f"{shown(text)} is not a schedule: {error}", 'write for example "0 3 * * 0"') from error
    if not first:
        raise Mistake(f"{shown(text)} names no time that ever comes", 'write for example "0 3 * * 0"')
    if any((later - sooner).total_seconds() < _CLOSEST for sooner, later in pairwise(first)):
        raise Mistake(f"{shown(text)} measures more often than once an hour", "write a rarer schedule, such as @daily")
    return text


Schedule = Annotated[
    str,
    AfterValidator(_schedule),
    WithJsonSchema({"type": "string", "maxLength": _LONGEST, "examples": ["0 3 * * 0", "@weekly"]}),
]
