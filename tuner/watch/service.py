"""The service: it looks, queues and runs while it leads, and waits while another replica does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy import select, update

from tuner.errors import TunerError
from tuner.repository.mirror import Mirror
from tuner.telemetry.logs import logger
from tuner.watch.bell import Bell
from tuner.watch.chores import Chores, Followed
from tuner.watch.configuration import Configuration, Watched
from tuner.watch.crew import Crew
from tuner.watch.database import Database, FencedError
from tuner.watch.leadership import Leadership
from tuner.watch.lease import Election, LeaseStore, Term
from tuner.watch.metrics import Metrics
from tuner.watch.queue import Queue
from tuner.watch.rounds import Rounds
from tuner.watch.runner import Runner
from tuner.watch.tables import repositories

__all__ = ["Service", "Wiring"]

_TICK = 0.5
"""Seconds between looks at the campaigns that run."""
_STUCK = 60.0
"""Seconds without a turn of the loop, after which the process is not healthy."""
_log = logger("watch")


@dataclass(frozen=True, slots=True)
class Wiring:
    """What a service is made of. ``follow`` looks at a repository's pull requests that changed since a time."""

    configuration: Configuration
    database: Database
    leases: LeaseStore
    runner: Runner
    open_mirror: Callable[[Watched], Mirror]
    state: Path
    replica: str
    follow: Callable[[Watched, datetime | None], Followed] = lambda _, __: Followed()


@dataclass(slots=True)
class Service:
    """One replica."""

    wiring: Wiring
    metrics: Metrics = field(default_factory=Metrics)
    bell: Bell = field(default_factory=Bell)
    _crew: Crew = field(init=False)
    _leadership: Leadership = field(init=False)
    _stop: threading.Event = field(default_factory=threading.Event)
    _turned: float = field(default_factory=time.monotonic)
    _wanted: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        configuration = self.wiring.configuration
        self._crew = Crew(configuration, self.wiring.runner, self.metrics)
        election = Election(self.wiring.leases, self.wiring.replica, configuration.leader.lease)
        self._leadership = Leadership(election, configuration.leader.lease, self._crew.beat)

    def stop(self) -> None:
        """Drain and end; may be called by a signal handler."""
        self._stop.set()
        threading.Thread(target=self.bell.ring, daemon=True).start()

    def wrong(self) -> dict[str, str]:
        """What is wrong with this process, by part; empty where nothing is."""
        if time.monotonic() - self._turned > _STUCK:
            return {"loop": f"no turn for over {_STUCK:g} s"}
        return {}

    def ready(self) -> bool:
        """Whether this replica does its part: it knows who leads and its state can be read."""
        return self._leadership.settled(0.0) and not self._leadership.failing and not self._stop.is_set()

    def run(self) -> None:
        """Work until ``stop``: then no campaign is taken, those that run are stopped, and the lease is given back."""
        self._leadership.start()
        self._leadership.settled(self.wiring.configuration.leader.lease)
        try:
            while not self._stop.is_set():
                term = self._leadership.term
                if term is None:
                    self._follow_others()
                else:
                    self._lead(term)
        finally:
            self._leadership.stop()
            self.metrics.leader.set(0)

    def _follow_others(self) -> None:
        """Another replica leads: whatever still runs here stops, and webhooks are passed on."""
        self.metrics.leader.set(0)
        self._crew.stop()
        self._crew.reap()
        names = self._wait(_TICK)
        if names:
            try:
                self._pass_on(names)
            except TunerError as error:
                _log.warning("webhooks cannot be passed on", reason=str(error))

    def _lead(self, term: Term) -> None:
        queue = Queue(self.wiring.database, self.wiring.configuration.leader.name, term.fence)
        rounds = Rounds(self.wiring.configuration, self.wiring.open_mirror, queue, self.bell, self.metrics)
        self.metrics.leader.set(1)
        try:
            queue.recover(self._crew.jobs)
            rounds.begin()
            self._read_wanted()
            self._turns(term, queue, rounds)
            if self._stop.is_set():
                self._drain(queue)
        except FencedError as error:
            _log.warning("this replica stops leading", reason=str(error))
        except TunerError as error:
            _log.warning("the state cannot be used", reason=str(error))
            self._wait(getattr(error, "delay", 1.0))
        finally:
            rounds.end()

    def _turns(self, term: Term, queue: Queue, rounds: Rounds) -> None:
        wiring = self.wiring
        chores = Chores(wiring.configuration, wiring.state, wiring.follow, self.metrics, queue, rounds)
        try:
            while not self._stop.is_set():
                current = self._leadership.term
                if current is None or current.fence != term.fence:
                    return
                self._crew.collect(queue)
                chores.turn()
                self._crew.take(queue)
                pause = min(rounds.go(), _TICK)
                rounds.hurry(self._wait(pause) | self._asked_elsewhere())
        finally:
            chores.end()

    def _drain(self, queue: Queue) -> None:
        """Stop what runs; its ledgers keep what was finished, and its rows say that it waits."""
        self._crew.stop()
        deadline = time.monotonic() + self.wiring.configuration.drain + 10.0
        while len(self._crew) and time.monotonic() < deadline:
            self._crew.collect(queue)
            self.bell.wait(0.05)

    def _wait(self, seconds: float) -> frozenset[str]:
        self._turned = time.monotonic()
        return self.bell.wait(max(seconds, 0.01))

    def _read_wanted(self) -> None:
        with self.wiring.database.read() as connection:
            rows = connection.execute(select(repositories.c.name, repositories.c.wanted))
            self._wanted = {row.name: row.wanted for row in rows}

    def _asked_elsewhere(self) -> frozenset[str]:
        """Repositories that webhooks at other replicas were about."""
        before = self._wanted
        self._read_wanted()
        return frozenset(name for name, count in self._wanted.items() if count > before.get(name, 0))

    def _pass_on(self, names: frozenset[str]) -> None:
        with self.wiring.database.write() as connection:
            mine = repositories.c.name.in_(names)
            connection.execute(update(repositories).where(mine).values(wanted=repositories.c.wanted + 1))
