"""What a leader does now and then beside its rounds: schedules, pull requests, metrics of the queue, letting go."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, func, select, update

from tuner.errors import TunerError
from tuner.telemetry.logs import logger
from tuner.watch.configuration import Configuration, Watched
from tuner.watch.findings import want
from tuner.watch.job import State
from tuner.watch.looking import SpecSeen
from tuner.watch.metrics import Metrics
from tuner.watch.queue import Queue
from tuner.watch.recurrence import due
from tuner.watch.retention import prune
from tuner.watch.rounds import Rounds
from tuner.watch.tables import campaigns, repositories, specs

__all__ = ["Chores", "Followed", "Rerun"]

_MINUTE = 60.0
_DAY = 86_400.0
_OTHER_CLOCK = timedelta(days=1)
"""The forge's clock may be another one, and either may be set."""
_log = logger("watch")


@dataclass(frozen=True, slots=True)
class Rerun:
    """A person asked for a further campaign: that of an earlier one's spec, under an occasion of its own."""

    campaign: str
    occasion: str
    acknowledge: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Followed:
    """What a look at a repository's pull requests found: campaigns that were closed and how, and what was asked."""

    closed: tuple[tuple[str, str], ...] = ()
    reruns: tuple[Rerun, ...] = ()


@dataclass(slots=True)
class Chores:
    """What a leader does now and then."""

    configuration: Configuration
    state: Path
    follow: Callable[[Watched, datetime | None], Followed]
    metrics: Metrics
    queue: Queue
    rounds: Rounds
    _next: dict[str, float] = field(default_factory=dict)
    _followed: dict[str, datetime] = field(default_factory=dict)
    """When the last look at a repository's pull requests began that was not cut short; none yet in this term: ever."""
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="chore"))

    def end(self) -> None:
        """Begin no further chore; one that is under way ends by itself, and can write nothing in another's term."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def turn(self) -> None:
        """Do what it is time for. Errors as the database's."""
        if self._is_time("measure", 2.0):
            self._measure_queue()
        if self._is_time("schedules", _MINUTE / 4):
            self._schedules()
        if self._is_time("prune", _DAY):
            self.rounds.tidy()
            self._beside(lambda: prune(self.queue, self.state, self.configuration.retention.campaigns))
        if self._is_time("follow", min(_MINUTE / 4, self.configuration.polling.follow)):
            self._begin_following()

    def _is_time(self, chore: str, every: float) -> bool:
        now = time.monotonic()
        if now < self._next.get(chore, 0.0):
            return False
        self._next[chore] = now + every
        return True

    def _measure_queue(self) -> None:
        oldest = select(func.min(campaigns.c.wanted_at)).where(campaigns.c.state == State.QUEUED)
        with self.queue.database.read() as connection:
            since = connection.execute(oldest).scalar()
        age = 0.0 if since is None else max(0.0, self.queue.clock() - since)
        self.metrics.lengths(self.queue.lengths(), age)

    def _schedules(self) -> None:
        """Queue what is due, at the revision that was seen last."""
        with self.queue.transaction() as connection:
            for name, found in due(connection, self.queue.clock()).items():
                revision = self.rounds.revision(name)
                watched = self.configuration.repository(name)
                for path, occasion in found:
                    mine = (specs.c.repository == name) & (specs.c.path == path)
                    row = connection.execute(select(specs).where(mine)).one()
                    spec = SpecSeen(path, row.blob, row.service, row.schedule, row.reserved)
                    if revision and not row.error:
                        want(connection, watched, revision, [spec], self.queue.clock(), occasion)

    def _begin_following(self) -> None:
        """Look at the pull requests of one repository that has open ones: the one that waits longest for it."""
        now = self.queue.clock()
        open_ = select(campaigns.c.repository).where(campaigns.c.result == "proposed").distinct()
        late = repositories.c.followed_at < now - self.configuration.polling.follow
        order = repositories.c.followed_at
        chosen = select(repositories.c.name).where(late & repositories.c.name.in_(open_)).order_by(order).limit(1)
        with self.queue.transaction() as connection:
            name = connection.execute(chosen).scalar()
            if name is None:
                return
            mine = repositories.c.name == name
            connection.execute(update(repositories).where(mine).values(followed_at=now))
        self._beside(lambda: self._follow(self.configuration.repository(name)))

    def _follow(self, watched: Watched) -> None:
        began = datetime.fromtimestamp(self.queue.clock(), UTC)
        last = self._followed.get(watched.name)
        followed = self.follow(watched, last - _OTHER_CLOCK if last else None)
        with self.queue.transaction() as connection:
            for campaign, state in followed.closed:
                mine = (campaigns.c.repository == watched.name) & (campaigns.c.campaign == campaign)
                connection.execute(update(campaigns).where(mine).values(result=state))
            for rerun in followed.reruns:
                self._queue_again(connection, watched, rerun)
        for rerun in followed.reruns:  # queued first: killed in between, the same comment is found again and is known
            rerun.acknowledge()
        self._followed[watched.name] = began

    def _queue_again(self, connection: Connection, watched: Watched, rerun: Rerun) -> None:
        mine = (campaigns.c.repository == watched.name) & (campaigns.c.campaign == rerun.campaign)
        path = connection.execute(select(campaigns.c.spec_path).where(mine)).scalar()
        revision = self.rounds.revision(watched.name)
        known = (specs.c.repository == watched.name) & (specs.c.path == path) & (specs.c.error == "")
        row = connection.execute(select(specs).where(known)).first()
        if row is not None and revision:
            spec = SpecSeen(row.path, row.blob, row.service, row.schedule, row.reserved)
            want(connection, watched, revision, [spec], self.queue.clock(), rerun.occasion)

    def _beside(self, work: Callable[[], object]) -> None:
        """Do it beside the loop, one after the other: a slow forge or disk holds nobody up."""

        def guarded() -> None:
            try:
                work()
            except TunerError as error:
                _log.warning("a chore failed", reason=str(error))
            except Exception:  # noqa: BLE001 - a defect of one chore must not end the others, nor be silent
                _log.exception("a chore failed unexpectedly")

        self._pool.submit(guarded)
