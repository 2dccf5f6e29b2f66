"""Going round the repositories: each is looked at when it is due, several at once, none twice at a time."""

from __future__ import annotations

import heapq
import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from sqlalchemy import select, update

from tuner.errors import TunerError
from tuner.repository.mirror import Mirror
from tuner.telemetry.logs import logger
from tuner.watch.bell import Bell
from tuner.watch.configuration import Configuration, Watched
from tuner.watch.findings import forget, known_specs, record, register
from tuner.watch.looking import look
from tuner.watch.metrics import Metrics
from tuner.watch.queue import Queue
from tuner.watch.rhythm import Rhythm
from tuner.watch.tables import repositories

__all__ = ["Rounds"]

_REASON = 2000
_log = logger("watch")


@dataclass(slots=True)
class _Round:
    """One repository: when it is due, and what is known of it."""

    watched: Watched
    rhythm: Rhythm
    revision: str = ""
    failures: int = 0
    due: float = 0.0
    looking: bool = False
    again: bool = False
    mirror: Mirror | None = None


@dataclass(slots=True)
class Rounds:
    """The rounds of one leader's term. Its methods are called by one thread; looks run in a pool."""

    configuration: Configuration
    open_mirror: Callable[[Watched], Mirror]
    queue: Queue
    bell: Bell
    metrics: Metrics
    clock: Callable[[], float] = time.monotonic
    chance: random.Random = field(default_factory=random.Random)
    _rounds: dict[str, _Round] = field(default_factory=dict)
    _due: list[tuple[float, str]] = field(default_factory=list)
    _pool: ThreadPoolExecutor | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self) -> None:
        """Read what is known of every repository, and let go those that are not watched any more."""
        polling = self.configuration.polling
        names = {watched.name for watched in self.configuration.repositories}
        now = self.clock()
        with self.queue.transaction() as connection:
            for row in connection.execute(select(repositories.c.name)).all():
                if row.name not in names:
                    forget(connection, row.name, "the repository is not watched any more")
            for watched in self.configuration.repositories:
                rhythm = Rhythm(watched.interval or polling.interval, polling.jitter, polling.longest)
                _, revision = register(connection, watched)
                due = now + rhythm.first(self.chance)
                self._rounds[watched.name] = _Round(watched, rhythm, revision, due=due)
                heapq.heappush(self._due, (due, watched.name))
        self._pool = ThreadPoolExecutor(polling.workers, thread_name_prefix="look")
        self.metrics.repositories.set(len(names))

    def end(self) -> None:
        """Wait for the looks that are under way; begin none."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def hurry(self, names: Iterable[str]) -> None:
        """Look at these as soon as possible; at one that is being looked at, once more."""
        found = [self._rounds[name] for name in names if name in self._rounds]
        with self._lock:
            for one in found:
                one.again = one.looking
                if not one.looking:
                    self._plan(one, self.clock())

    def go(self) -> float:
        """Begin every look that is due; seconds until the next one is."""
        now = self.clock()
        ready = []
        with self._lock:
            while self._due and self._due[0][0] <= now:
                due, name = heapq.heappop(self._due)
                one = self._rounds[name]
                if not one.looking and due == one.due:
                    one.looking = True
                    ready.append(one)
            left = max(0.0, self._due[0][0] - now) if self._due else 60.0
        for one in ready:
            if self._pool is not None:
                self._pool.submit(self._look, one).add_done_callback(lambda _: self.bell.ring())
        return left

    @property
    def watched(self) -> Sequence[Watched]:
        """Every repository."""
        return [one.watched for one in self._rounds.values()]

    def revision(self, name: str) -> str:
        """Where the repository's branch was at the last look; empty before the first."""
        one = self._rounds.get(name)
        return one.revision if one else ""

    def tidy(self) -> None:
        """Replace mirrors in which too much has gathered."""
        for one in self._rounds.values():
            if one.mirror is not None and not one.looking and one.mirror.crowded():
                one.mirror.remove()
                one.mirror = None

    def _look(self, one: _Round) -> None:
        """One look, in the pool. What goes wrong is told once, and tried again later."""
        began = time.perf_counter()
        delay = 0.0
        outcome = "failed"
        try:
            outcome = self._seen(one)
            one.failures = 0
        except TunerError as error:
            delay = getattr(error, "delay", 0.0)
            one.failures += 1
            self._failed(one, error)
        except Exception:  # noqa: BLE001 - a defect that one repository shows must not end the watch, nor be silent
            one.failures += 1
            _log.exception("a look failed unexpectedly", repository=one.watched.name)
        self.metrics.looks.labels(outcome).inc()
        self.metrics.look_seconds.observe(time.perf_counter() - began)
        self.metrics.failures.labels(one.watched.name).set(one.failures)
        with self._lock:
            again, one.again, one.looking = one.again, False, False
            pause = 0.0 if again and not one.failures else one.rhythm.pause(one.failures, self.chance, least=delay)
            self._plan(one, self.clock() + pause)

    def _seen(self, one: _Round) -> str:
        if one.mirror is None:
            one.mirror = self.open_mirror(one.watched)
        mended = one.failures > 0
        seen = look(one.mirror, one.revision, lambda: self._known(one.watched.name))
        if seen is None:
            if mended:
                self._note(one.watched.name, 0, "")
            return "quiet"
        with self.queue.transaction() as connection:
            wanted = record(connection, one.watched, seen, self.queue.clock())
        one.revision = seen.revision
        for spec in seen.specs:
            if spec.error:
                _log.warning("a spec is wrong", repository=one.watched.name, spec=spec.path, reason=spec.error)
        _log.info(
            "the branch moved",
            repository=one.watched.name,
            revision=seen.revision,
            campaigns=wanted,
            gone=len(seen.gone),
            rewritten=seen.rewritten,
        )
        return "changed"

    def _known(self, name: str) -> dict[str, str]:
        with self.queue.database.read() as connection:
            return dict(known_specs(connection, name))

    def _failed(self, one: _Round, error: TunerError) -> None:
        if one.failures == 1:
            _log.warning("a repository cannot be looked at", repository=one.watched.name, reason=str(error))
        try:
            self._note(one.watched.name, one.failures, str(error))
        except TunerError as second:
            _log.warning("the state cannot be written", reason=str(second))

    def _note(self, name: str, failures: int, error: str) -> None:
        with self.queue.transaction() as connection:
            values = {"failures": failures, "error": error[:_REASON]}
            connection.execute(update(repositories).where(repositories.c.name == name).values(**values))

    def _plan(self, one: _Round, due: float) -> None:
        one.due = due
        heapq.heappush(self._due, (due, one.watched.name))
