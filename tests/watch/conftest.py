"""Repositories made with plain git, a recorded runner in the place of campaigns, and services over both."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from tests.campaign.service import spec_text
from tests.repository.conftest import Plain
from tuner.experience.database import sqlite_url
from tuner.repository.mirror import Mirror
from tuner.spec.loading import load_model
from tuner.watch.chores import Followed
from tuner.watch.configuration import Configuration, Watched
from tuner.watch.database import Database
from tuner.watch.database_lease import DatabaseLease
from tuner.watch.job import Account, Ended, Job
from tuner.watch.service import Service, Wiring

SPEC = "configs/echo/tuning.yaml"


def spec(name: str = "echo", seed: int = 3, **more: str) -> str:
    """A valid spec of that name; another seed makes another spec."""
    text = spec_text().replace("name: echo", f"name: {name}").replace("seed: 3", f"seed: {seed}")
    return text + "".join(f"{key}: {value}\n" for key, value in more.items())


def configuration(*repositories: str, **sections: str) -> Configuration:
    """A configuration of repositories, each written as a flow mapping, and further sections."""
    lines = ["apiVersion: tuner/v1alpha1", "kind: WatchConfiguration", "repositories:"]
    lines += [f"  - {{{repository}}}" for repository in repositories]
    lines += [f"{key}: {value}" for key, value in {"metrics": "127.0.0.1:0", **sections}.items()]
    return load_model("\n".join(lines).encode(), "tuner.yaml", Configuration)[0]


def until(what: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until it holds; AssertionError where it does not in time."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come to hold in time"
        threading.Event().wait(0.01)


@dataclass
class Run:
    """One start of a campaign by the recorded runner."""

    job: Job
    replica: str = ""
    beats: int = 0
    interrupted: bool = False
    outcome: Ended | None = None
    """Set by a test, or at the start where the runner ends its runs by itself."""
    told: bool = False

    def beat(self) -> None:
        self.beats += 1

    def interrupt(self) -> None:
        self.interrupted = True
        if self.outcome is None:
            self.outcome = Ended("stopped", "interrupted")

    def kill(self) -> None:
        self.interrupt()

    def ended(self) -> Ended | None:
        self.told = self.told or self.outcome is not None
        return self.outcome

    def end(self, result: str = "kept-baseline", hours: float = 0.0) -> None:
        self.outcome = done(self.job, result, hours)


def done(job: Job, result: str = "kept-baseline", hours: float = 0.0) -> Ended:
    account = Account(campaign=f"{job.service}-{job.id}", result=result, reason="measured", compute_hours=hours)
    return Ended("done", "measured", account)


@dataclass
class Recorder:
    """A ``Runner`` that runs nothing and remembers what it was asked for; ``ends``: its runs end at once."""

    ends: bool = True
    runs: list[Run] = field(default_factory=list)
    replica: str = ""
    outcome: Callable[[Job], Ended] = done

    def start(self, job: Job) -> Run:
        run = Run(job, self.replica, outcome=self.outcome(job) if self.ends else None)
        self.runs.append(run)
        return run

    @property
    def started(self) -> list[tuple[str, str]]:
        return [(run.job.spec_path, run.job.revision) for run in self.runs]

    def of(self, path: str) -> list[Run]:
        return [run for run in self.runs if run.job.spec_path == path]


@dataclass
class Place:
    """A folder with a state database for services."""

    folder: Path
    address: str

    def open_mirror(self, replica: str) -> Callable[[Watched], Mirror]:
        mirrors = self.folder / "mirrors" / replica
        return lambda watched: Mirror.open(watched.url, mirrors / watched.name, branch=watched.branch, local=True)

    def service(
        self,
        settings: Configuration,
        runner: Recorder,
        replica: str = "a",
        follow: Callable[[Watched, datetime | None], Followed] = lambda _, __: Followed(),
    ) -> Service:
        runner.replica = replica
        database = Database.open(self.address)
        lease = DatabaseLease(database, settings.leader.name)
        mirror = self.open_mirror(replica)
        return Service(Wiring(settings, database, lease, runner, mirror, self.folder / "state", replica, follow))

    @contextmanager
    def running(self, settings: Configuration, runner: Recorder, replica: str = "a") -> Iterator[Service]:
        service = self.service(settings, runner, replica)
        with started(service):
            yield service


@contextmanager
def started(service: Service) -> Iterator[threading.Thread]:
    """The service in a thread, drained at the end."""
    thread = threading.Thread(target=service.run, daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        service.stop()
        thread.join(60)
        service.wiring.database.close()
        assert not thread.is_alive()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, sqlite_url(tmp_path / "state" / "watch.db"))


@pytest.fixture
def work(tmp_path: Path) -> Plain:
    """A repository with one spec on ``main``."""
    folder = tmp_path / "work"
    folder.mkdir()
    plain = Plain(folder)
    plain.git("init", "-q", "-b", "main")
    plain.commit({SPEC: spec(), "README": "hello\n"})
    return plain


@pytest.fixture
def fresh_postgres(postgres_url: str) -> Iterator[str]:
    """An empty database of the session's PostgreSQL."""
    url = make_url(postgres_url).set(drivername="postgresql+psycopg")
    name = f"watch_{uuid.uuid4().hex[:12]}"
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield str(url.set(database=name, drivername="postgresql").render_as_string(hide_password=False))
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()
