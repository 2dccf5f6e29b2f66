"""The campaigns that run now: started from the queue, told that this replica leads, stopped where they have to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tuner.errors import TunerError
from tuner.telemetry.logs import logger
from tuner.watch.configuration import Configuration
from tuner.watch.fairness import Quota
from tuner.watch.job import Ended, Job, State
from tuner.watch.metrics import Metrics
from tuner.watch.queue import Queue
from tuner.watch.runner import Runner, Running

__all__ = ["Crew"]

_log = logger("watch")


@dataclass(slots=True)
class _Member:
    job: Job
    running: Running
    stop_by: float | None = None
    """When it is killed; None while it may go on."""


@dataclass(slots=True)
class Crew:
    """The running campaigns of this replica. ``beat`` may be called by another thread, nothing else."""

    configuration: Configuration
    runner: Runner
    metrics: Metrics
    clock: Callable[[], float] = time.monotonic
    _members: dict[int, _Member] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __len__(self) -> int:
        return len(self._members)

    @property
    def jobs(self) -> list[Job]:
        """What runs, what is being stopped included."""
        return [member.job for member in self._members.values()]

    def beat(self) -> None:
        """The lease was renewed: every campaign may go on."""
        with self._lock:
            members = list(self._members.values())
        for member in members:
            member.running.beat()

    def take(self, queue: Queue) -> int:
        """Start campaigns while any may run; how many."""
        started = 0
        while (job := self._claimed(queue)) is not None:
            started += self._start(queue, job)
        return started

    def collect(self, queue: Queue) -> int:
        """Note the campaigns that have ended, and stop those that are not wanted any more; how many ended."""
        done = 0
        for member in list(self._members.values()):
            ended = member.running.ended()
            if ended is not None:
                self._finish(queue, member, ended)
                done += 1
            elif member.stop_by is not None and self.clock() > member.stop_by:
                member.running.kill()
        for job in queue.lost([member.job for member in self._members.values() if member.stop_by is None]):
            _log.info("a campaign is superseded", repository=job.repository, spec=job.spec_path)
            self._stop(self._members[job.id])
        return done

    def stop(self) -> None:
        """Ask every campaign to stop; whoever does not is killed by a later ``collect`` or ``reap``."""
        for member in self._members.values():
            if member.stop_by is None:
                self._stop(member)

    def reap(self) -> None:
        """Let go what has ended, without a word to the queue: this replica may not write there any more."""
        for member in list(self._members.values()):
            if member.running.ended() is not None:
                self._leave(member)
            elif member.stop_by is not None and self.clock() > member.stop_by:
                member.running.kill()

    def _claimed(self, queue: Queue) -> Job | None:
        if all(self._full(backend) for backend in self._backends()):
            return None
        teams = self.configuration.teams
        return queue.claim(
            self.jobs,
            limit=self.configuration.limit,
            quota=lambda name: Quota(teams[name].running, teams[name].compute_hours) if name in teams else Quota(),
            windows={name: team.window for name, team in teams.items()},
        )

    def _backends(self) -> set[str]:
        return {watched.backend for watched in self.configuration.repositories}

    def _full(self, backend: str) -> bool:
        return sum(job.backend == backend for job in self.jobs) >= self.configuration.limit(backend)

    def _start(self, queue: Queue, job: Job) -> int:
        try:
            running = self.runner.start(job)
        except TunerError as error:
            _log.error("a campaign cannot be started", repository=job.repository, spec=job.spec_path, reason=str(error))
            queue.finish(job, Ended("retry", str(error)), self.configuration.attempts)
            return 0
        with self._lock:
            self._members[job.id] = _Member(job, running)
        self.metrics.running.labels(job.backend).inc()
        _log.info("a campaign starts", repository=job.repository, spec=job.spec_path, revision=job.revision)
        return 1

    def _finish(self, queue: Queue, member: _Member, ended: Ended) -> None:
        job = member.job
        if member.stop_by is not None and ended.how == "retry":
            ended = Ended("stopped", "interrupted")  # it was killed before it could say so
        state = queue.finish(job, ended, self.configuration.attempts)
        self._leave(member)
        if ended.account is not None:
            self.metrics.ended(job, ended.account)
        elif state in (State.FAILED, State.REFUSED):
            self.metrics.campaigns.labels(state.value).inc()
        if ended.how == "retry":
            self.metrics.retries.inc()
        result = ended.account.result if ended.account else ended.how
        say = _log.info if ended.how in ("done", "stopped") else _log.warning
        say("a campaign ended", repository=job.repository, spec=job.spec_path, result=result, reason=ended.reason)

    def _leave(self, member: _Member) -> None:
        with self._lock:
            del self._members[member.job.id]
        self.metrics.running.labels(member.job.backend).dec()

    def _stop(self, member: _Member) -> None:
        member.stop_by = self.clock() + self.configuration.drain
        member.running.interrupt()
