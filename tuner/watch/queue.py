"""The queue: one row for each campaign that is wanted. Only the leader writes it, each time under its fence."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from sqlalchemy import ColumnElement, Connection, func, select, update

from tuner.watch.database import Database
from tuner.watch.fairness import Load, Quota, Waiting, choose
from tuner.watch.job import Ended, Job, State
from tuner.watch.tables import campaigns

__all__ = ["Queue"]

RETRY = 60.0
"""Seconds before the second try after an outage; each further one takes twice as long."""
LONGEST_RETRY = 3600.0
_REASON = 2000
_JOB = (
    campaigns.c.id,
    campaigns.c.repository,
    campaigns.c.spec_path,
    campaigns.c.revision,
    campaigns.c.occasion,
    campaigns.c.service,
    campaigns.c.team,
    campaigns.c.backend,
    campaigns.c.priority,
    campaigns.c.attempts,
    campaigns.c.wanted_at,
    campaigns.c.reserved,
)


class Queue:
    """The queue in one leader's term. Every method raises FencedError where a newer leader has written."""

    def __init__(self, database: Database, name: str, fence: int, *, clock: Callable[[], float] = time.time) -> None:
        self.database = database
        self.clock = clock
        self._name = name
        self._fence = fence

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction of this term."""
        with self.database.lead(self._name, self._fence) as connection:
            yield connection

    def recover(self, running: Collection[Job] = ()) -> int:
        """Queue again what is said to run and is not among ``running``: an earlier leader left it; how many.

        The leader's end was no try of the campaign's.
        """
        with self.transaction() as connection:
            left = _running() & campaigns.c.id.not_in([job.id for job in running])
            values = {"state": State.QUEUED, "attempts": campaigns.c.attempts - 1}
            return connection.execute(update(campaigns).where(left).values(values)).rowcount

    def claim(
        self,
        running: Collection[Job],
        *,
        limit: Callable[[str], int],
        quota: Callable[[str], Quota],
        windows: Mapping[str, float],
    ) -> Job | None:
        """Take the next campaign, beside those that run; None where none may run. ``windows``: seconds by team."""
        now = self.clock()
        with self.transaction() as connection:
            jobs = {job.id: job for job in self._ready(connection, now)}
            load = Load(
                by_backend=_count(job.backend for job in running),
                by_team=_count(job.team for job in running),
                used=self._used(connection, running, windows, now),
                busy=frozenset((job.repository, job.spec_path) for job in running),
            )
            chosen = choose([_waiting(job) for job in jobs.values()], load, limit=limit, quota=quota, now=now)
            if chosen is None:
                return None
            values = {"state": State.RUNNING, "started_at": now, "fence": self._fence}
            values["attempts"] = jobs[chosen.id].attempts + 1
            connection.execute(update(campaigns).where(campaigns.c.id == chosen.id).values(**values))
            return jobs[chosen.id]

    def finish(self, job: Job, ended: Ended, most: int) -> State:
        """Note how a run ended; the state that the campaign has now. ``most``: tries in all."""
        now = self.clock()
        account = ended.account
        with self.transaction() as connection:
            row = connection.execute(
                select(campaigns.c.state, campaigns.c.attempts).where(campaigns.c.id == job.id)
            ).first()
            if row is None:
                return State.WITHDRAWN
            values: dict[str, object] = {"reason": ended.reason[:_REASON]}
            if account is not None:
                values |= {"campaign": account.campaign, "result": account.result, "used": account.compute_hours}
            if row.state == State.RUNNING:
                values |= _next_state(ended, row.attempts, most, now)
            else:
                values.pop("reason")
            values.setdefault("ended_at", now)
            connection.execute(update(campaigns).where(campaigns.c.id == job.id).values(**values))
            return State(str(values.get("state", row.state)))

    def lost(self, running: Collection[Job]) -> list[Job]:
        """Those of the running campaigns whose row says otherwise by now: they have to stop."""
        if not running:
            return []
        wanted = campaigns.c.id.in_([job.id for job in running])
        with self.database.read() as connection:
            still = {row.id for row in connection.execute(select(campaigns.c.id).where(wanted & _running()))}
        return [job for job in running if job.id not in still]

    def lengths(self) -> Mapping[tuple[str, str], int]:
        """Campaigns by state and team, of those that have not ended."""
        columns = (campaigns.c.state, campaigns.c.team, func.count().label("number"))
        open_ = campaigns.c.state.in_((State.QUEUED, State.RUNNING, State.REFUSED))
        with self.database.read() as connection:
            rows = connection.execute(select(*columns).where(open_).group_by(campaigns.c.state, campaigns.c.team))
            return {(row.state, row.team): row.number for row in rows}

    def _ready(self, connection: Connection, now: float) -> Sequence[Job]:
        ready = (campaigns.c.state == State.QUEUED) & (campaigns.c.not_before <= now)
        return [Job(**row._mapping) for row in connection.execute(select(*_JOB).where(ready))]

    def _used(
        self, connection: Connection, running: Collection[Job], windows: Mapping[str, float], now: float
    ) -> Mapping[str, float]:
        used: dict[str, float] = {}
        for team, window in windows.items():
            recent = (campaigns.c.team == team) & (campaigns.c.ended_at >= now - window)
            used[team] = connection.execute(
                select(func.coalesce(func.sum(campaigns.c.used), 0.0)).where(recent)
            ).scalar_one()
        for job in running:
            used[job.team] = used.get(job.team, 0.0) + job.reserved
        return used


def _next_state(ended: Ended, attempts: int, most: int, now: float) -> dict[str, object]:
    match ended.how:
        case "done":
            return {"state": State.DONE}
        case "failed":
            return {"state": State.FAILED}
        case "refused":
            return {"state": State.REFUSED}
        case "stopped":
            return {"state": State.QUEUED, "attempts": attempts - 1, "ended_at": None}
        case "retry":
            if attempts >= most:
                return {"state": State.FAILED}
            delay = max(ended.delay, min(RETRY * 2 ** (attempts - 1), LONGEST_RETRY))
            return {"state": State.QUEUED, "not_before": now + delay, "ended_at": None}


def _running() -> ColumnElement[bool]:
    return campaigns.c.state == State.RUNNING


def _waiting(job: Job) -> Waiting:
    return Waiting(
        job.id, job.repository, job.spec_path, job.team, job.backend, job.priority, job.wanted_at, job.reserved
    )


def _count(names: Iterator[str]) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for name in names:
        found[name] = found.get(name, 0) + 1
    return found
