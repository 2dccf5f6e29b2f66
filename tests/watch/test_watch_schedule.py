"""A spec's schedule: what is due, once, and a campaign of its own for it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from tests.repository.conftest import Plain
from tests.watch.conftest import SPEC, Place, Recorder, configuration, spec, until
from tuner.campaign.remeasuring import Record, verdict
from tuner.campaign.target import Target
from tuner.experience.database import sqlite_url
from tuner.measurement.model import Interval
from tuner.watch.database import Database
from tuner.watch.job import State
from tuner.watch.recurrence import due, next_due, occasion_of
from tuner.watch.tables import campaigns, repositories, specs

NIGHT = datetime(2026, 11, 29, 3, 0, tzinfo=UTC).timestamp()
WEEK = 7 * 86_400.0


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(sqlite_url(tmp_path / "state.db"))
    with opened.write() as connection:
        connection.execute(insert(repositories).values(name="work", url="/srv/work"))
        row = {"repository": "work", "path": "a.yaml", "blob": "b", "schedule": "0 3 * * 0", "due_at": NIGHT}
        connection.execute(insert(specs).values(**row))
    yield opened
    opened.close()


def found(database: Database, now: float) -> dict[str, list[tuple[str, str]]]:
    with database.write() as connection:
        return dict(due(connection, now))


def test_a_spec_is_due_once_at_each_time(database: Database) -> None:
    assert found(database, NIGHT - 1) == {}
    assert found(database, NIGHT + 300) == {"work": [("a.yaml", "2026-11-29T03:00Z")]}
    assert found(database, NIGHT + 301) == {}
    assert found(database, NIGHT + WEEK + 300) == {"work": [("a.yaml", "2026-12-06T03:00Z")]}


def test_a_service_that_slept_over_several_times_measures_once(database: Database) -> None:
    assert found(database, NIGHT + 5 * WEEK + 86_400) == {"work": [("a.yaml", "2026-11-29T03:00Z")]}
    assert found(database, NIGHT + 5 * WEEK + 86_500) == {}


def test_an_occasion_names_its_time() -> None:
    assert occasion_of(NIGHT) == "2026-11-29T03:00Z"
    assert next_due("0 3 * * 0", NIGHT) == NIGHT + WEEK


def test_a_due_spec_gets_a_campaign_of_its_own(place: Place, work: Plain) -> None:
    work.commit({SPEC: spec(schedule='"0 3 * * 0"')})
    settings = configuration(
        f"name: work, url: {work.folder}", leader="{lease: 1s}", polling="{interval: 100ms, jitter: 10%}"
    )
    with place.running(settings, Recorder()) as service:
        until(lambda: ended(service.wiring.database) and scheduled(service.wiring.database) is not None)
    runner = Recorder()
    service = place.service(settings, runner, "b")
    with service.wiring.database.write() as connection:
        connection.execute(update(specs).values(due_at=NIGHT - 52 * WEEK))
    service.wiring.database.close()
    with place.running(settings, runner, "b"):
        until(lambda: bool(runner.runs))
    assert [(run.job.spec_path, run.job.occasion) for run in runner.runs] == [(SPEC, "2025-11-30T03:00Z")]


def ended(database: Database) -> bool:
    with database.read() as connection:
        return connection.execute(select(campaigns.c.state)).scalar() == State.DONE


def scheduled(database: Database) -> float | None:
    with database.read() as connection:
        value = connection.execute(select(specs.c.due_at)).scalar()
        return None if value is None else float(value)


def test_a_scheduled_campaign_is_another_one_than_that_of_the_commit() -> None:
    parts = ("echo", SPEC, "a" * 40, "main", "/srv/work")
    assert Target(*parts, "2026-11-29T03:00Z").campaign != Target(*parts).campaign
    assert Target(*parts, "2026-11-29T03:00Z").campaign != Target(*parts, "2026-12-06T03:00Z").campaign


RECORD = Record("echo-1", Interval(value=100, low=90, high=110), 0.0)


@pytest.mark.parametrize(
    ("now", "regressed"),
    [
        (Interval(value=70, low=60, high=89.9), True),
        (Interval(value=80, low=70, high=90), False),
        (Interval(value=120, low=115, high=125), False),
        (None, True),
    ],
)
def test_a_regression_is_an_interval_below_that_of_the_record(now: Interval | None, *, regressed: bool) -> None:
    event = verdict(0, now, RECORD)
    assert event.regressed is regressed
    assert event.record == "echo-1"
    if now is not None:
        assert event.change is not None
        assert event.change.low < event.change.value < event.change.high


def test_without_a_record_nothing_has_regressed() -> None:
    assert not verdict(0, None, None).regressed
    assert not verdict(0, RECORD.capacity, None).regressed
