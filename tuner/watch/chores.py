"""What a leader does now and then beside its rounds: schedules, pull requests, metrics of the queue, letting go."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import func, select, update

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

__all__ = ["Chores"]

_MINUTE = 60.0
_DAY = 86_400.0
_log = logger("watch")


@dataclass(slots=True)
class Chores:
    """What a leader does now and then."""

    configuration: Configuration
    state: Path
    follow: Callable[[Watched], Sequence[tuple[str, str]]]
    metrics: Metrics
    queue: Queue
    rounds: Rounds
    _next: dict[str, float] = field(default_factory=dict)

    def turn(self) -> None:
        """Do what it is time for. Errors as the database's."""
        if self._is_time("measure", 2.0):
            self._measure_queue()
        if self._is_time("schedules", _MINUTE / 4):
            self._schedules()
        if self._is_time("prune", _DAY):
            prune(self.queue, self.state, self.configuration.retention.campaigns)
            self.rounds.tidy()
        if self._is_time("follow", _MINUTE / 4):
            self._follow()

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

    def _follow(self) -> None:
        """Look at the pull requests of one repository that has open ones, the one that waits longest for it."""
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
        try:
            closed = self.follow(self.configuration.repository(name))
        except TunerError as error:
            _log.warning("pull requests cannot be followed", repository=name, reason=str(error))
            return
        with self.queue.transaction() as connection:
            for campaign, state in closed:
                mine = (campaigns.c.repository == name) & (campaigns.c.campaign == campaign)
                connection.execute(update(campaigns).where(mine).values(result=state))
