"""The queue in the database: claims, retries, quotas, and what is let go."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select, text, update

from tests.watch.conftest import configuration, done
from tuner.errors import PermanentError, UserError
from tuner.experience.database import sqlite_url
from tuner.watch.configuration import Configuration
from tuner.watch.database import Database, FencedError, migrations
from tuner.watch.fairness import Quota
from tuner.watch.findings import register, want
from tuner.watch.job import Ended, Job, State
from tuner.watch.looking import SpecSeen
from tuner.watch.queue import LONGEST_RETRY, RETRY, Queue
from tuner.watch.retention import prune
from tuner.watch.tables import campaigns, metadata

REVISION = "a" * 40
CHOICE = configuration("name: work, url: /srv/work, team: vision", teams="{vision: {computeHours: 10}}")


@dataclass
class Kept:
    """A queue whose time a test sets."""

    database: Database
    now: list[float] = field(default_factory=lambda: [1000.0])

    def queue(self, fence: int = 1) -> Queue:
        return Queue(self.database, "tuner", fence, clock=lambda: self.now[0])

    def want(self, *paths: str, revision: str = REVISION, hours: float = 1.0, occasion: str = "") -> None:
        specs = [SpecSeen(path, "b" * 40, "echo", "", hours) for path in paths]
        with self.queue().transaction() as connection:
            register(connection, CHOICE.repositories[0])
            want(connection, CHOICE.repositories[0], revision, specs, self.now[0], occasion)

    def states(self) -> list[str]:
        with self.database.read() as connection:
            return [row.state for row in connection.execute(select(campaigns.c.state).order_by(campaigns.c.id))]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    postgres = request.param == "postgresql"
    address = request.getfixturevalue("fresh_postgres") if postgres else sqlite_url(tmp_path / "state.db")
    database = Database.open(address)
    yield Kept(database)
    database.close()


def claim(queue: Queue, *running: Job, choice: Configuration = CHOICE, limit: int = 9) -> Job | None:
    teams = choice.teams
    return queue.claim(
        running,
        limit=lambda _: limit,
        quota=lambda name: Quota(teams[name].running, teams[name].compute_hours) if name in teams else Quota(),
        windows={name: team.window for name, team in teams.items()},
    )


def claimed(queue: Queue, *running: Job) -> Job:
    job = claim(queue, *running)
    assert job is not None
    return job


def test_what_is_claimed_is_not_claimed_again(state: Kept) -> None:
    state.want("a.yaml", "b.yaml")
    queue = state.queue()
    first = claimed(queue)
    second = claimed(queue, first)
    assert {first.spec_path, second.spec_path} == {"a.yaml", "b.yaml"}
    assert claim(queue, first, second) is None


def test_wanting_the_same_again_changes_nothing(state: Kept) -> None:
    state.want("a.yaml")
    state.want("a.yaml")
    assert state.states() == [State.QUEUED]
    job = claimed(state.queue())
    state.queue().finish(job, done(job), 3)
    state.want("a.yaml")
    assert state.states() == [State.DONE]
    state.want("a.yaml", occasion="2026-01-01T00:00Z")
    assert state.states() == [State.DONE, State.QUEUED]


def test_an_outage_is_waited_for_longer_each_time_and_not_for_ever(state: Kept) -> None:
    state.want("a.yaml")
    queue = state.queue()
    for attempt in range(1, 4):
        job = claimed(queue)
        queue.finish(job, Ended("retry", "the forge does not answer"), 4)
        assert claim(queue) is None
        state.now[0] += RETRY * 2 ** (attempt - 1) - 1
        assert claim(queue) is None
        state.now[0] += 1
    job = claimed(queue)
    assert queue.finish(job, Ended("retry", "the forge does not answer"), 4) is State.FAILED
    state.now[0] += LONGEST_RETRY
    assert claim(queue) is None


def test_an_outage_that_says_how_long_is_believed(state: Kept) -> None:
    state.want("a.yaml")
    queue = state.queue()
    queue.finish(claimed(queue), Ended("retry", "limited", delay=500), 4)
    state.now[0] += 499
    assert claim(queue) is None
    state.now[0] += 1
    assert claim(queue) is not None


def test_a_stopped_campaign_was_no_attempt(state: Kept) -> None:
    state.want("a.yaml")
    queue = state.queue()
    for _ in range(5):
        assert queue.finish(claimed(queue), Ended("stopped"), 2) is State.QUEUED
    assert claimed(queue).attempts == 0


def test_a_service_that_was_killed_often_has_used_up_no_attempt_of_its_campaigns(state: Kept) -> None:
    state.want("a.yaml")
    for fence in range(2, 12):
        assert claim(state.queue(fence)) is not None
        state.queue(fence + 1).recover()
    queue = state.queue(13)
    job = claim(queue)
    assert job is not None
    assert queue.finish(job, Ended("retry", "no answer"), 8) == State.QUEUED


def test_compute_that_was_used_within_the_window_counts(state: Kept) -> None:
    state.want("a.yaml", "b.yaml", hours=6)
    queue = state.queue()
    first = claimed(queue)
    assert claim(queue, first) is None, "6 reserved and 6 asked for are over 10"
    queue.finish(first, done(first, hours=3.0), 3)
    second = claimed(queue)
    queue.finish(second, done(second, hours=6.0), 3)
    state.want("c.yaml", hours=6)
    assert claim(queue) is None
    state.now[0] += 86_401
    assert claim(queue) is not None


def test_a_new_leader_takes_up_what_an_earlier_one_left(state: Kept) -> None:
    state.want("a.yaml")
    job = claimed(state.queue(1))
    newer = state.queue(2)
    assert newer.recover() == 1
    assert claimed(newer).id == job.id
    with pytest.raises(FencedError):
        state.queue(1).finish(job, done(job), 3)
    assert state.states() == [State.RUNNING]


def test_a_superseded_campaign_stays_so_whatever_its_process_says(state: Kept) -> None:
    state.want("a.yaml")
    queue = state.queue()
    job = claimed(queue)
    with queue.transaction() as connection:
        connection.execute(update(campaigns).values(state=State.SUPERSEDED, reason="newer"))
    assert queue.lost([job]) == [job]
    assert queue.finish(job, done(job, hours=2.0), 3) is State.SUPERSEDED
    with state.database.read() as connection:
        row = connection.execute(select(campaigns.c.reason, campaigns.c.used)).one()
    assert tuple(row) == ("newer", 2.0)


def test_what_ended_long_ago_is_let_go_and_nothing_else(state: Kept, tmp_path: Path) -> None:
    state.want("old.yaml")
    queue = state.queue()
    job = claimed(queue)
    queue.finish(job, done(job), 3)
    folders = [tmp_path / "campaigns" / name for name in ("old.1", "new.1")]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "ledger.jsonl").write_text("{}\n")
    for path in (folders[0] / "ledger.jsonl", folders[0]):
        os.utime(path, (0, 0))
    state.now[0] += 100 * 86_400
    state.want("new.yaml")
    assert prune(queue, tmp_path, 90 * 86_400) == 2
    assert state.states() == [State.QUEUED]
    assert [folder.exists() for folder in folders] == [False, True]


def test_the_migrations_make_the_tables_that_the_code_uses(state: Kept) -> None:
    with state.database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": "watch_version",
                "include_name": lambda name, kind, _: kind != "table" or known(name),
            },
        )
        assert compare_metadata(context, metadata) == []


def known(name: str | None) -> bool:
    return name in metadata.tables


def test_migrations_go_back_and_forth(state: Kept) -> None:
    state.want("a.yaml")
    with state.database.engine.begin() as connection:
        command.downgrade(migrations(connection), "base")
    with state.database.engine.begin() as connection:
        command.upgrade(migrations(connection), "head")
    assert state.states() == []


def test_a_database_of_a_newer_version_is_left_alone(state: Kept) -> None:
    with state.database.engine.begin() as connection:
        connection.execute(text("UPDATE watch_version SET version_num = '9999'"))
    address = state.database.url.set(drivername=state.database.url.get_backend_name())
    with pytest.raises(PermanentError, match="newer version of tuner"):
        Database.open(address.render_as_string(hide_password=False))


def test_an_address_that_is_none_is_a_mistake() -> None:
    with pytest.raises(UserError):
        Database.open("mysql://somewhere/x")
