"""The experience of every campaign, in one database: an SQLite file in the state folder, or PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from pydantic import ValidationError
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    Index,
    MetaData,
    Select,
    Table,
    Text,
    create_engine,
    delete,
    inspect,
    select,
    tuple_,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from tuner.experience import database
from tuner.experience.model import Earlier
from tuner.experience.remembered import Remembered, grouped, remembered
from tuner.telemetry.logs import logger

__all__ = ["KEPT", "RECALLED", "ExperienceStore", "store_url"]

KEPT = 1000
"""Trials that are kept of a service: the newest."""
RECALLED = 50_000
"""Trials that are read at most: the newest of all services."""
_AT_ONCE = 500
"""Rows of one statement."""
_WHAT = "the database of experience"

_METADATA = MetaData()
_TRIALS = Table(
    "tuner_experience",
    _METADATA,
    Column("campaign", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("service", Text, nullable=False),
    Column("ended", Double, nullable=False),
    Column("record", Text, nullable=False),
    Index("tuner_experience_by_service", "service", "ended"),
)
_NEWEST = (_TRIALS.c.ended.desc(), _TRIALS.c.campaign.desc(), _TRIALS.c.number.desc())

_log = logger("experience")


def store_url(state: Path, storage_url: str | None) -> str:
    """The database named, else a file in the state folder."""
    return storage_url or database.sqlite_url(state / "experience.db")


class ExperienceStore:
    """An open store. Any number of processes may read and write; what was told survives when the call returns.

    Every method raises TemporaryError where the database does not answer, PermanentError where it cannot be used.
    """

    def __init__(self, storage_url: str, *, keep: int = KEPT) -> None:
        """Open, creating the file and the table where they are missing. UserError for a URL that is none."""
        self._url = database.parsed(storage_url)
        self._keep = keep
        with self._guard():
            database.prepare(self._url, _WHAT)
            self._engine = create_engine(self._url, **database.engine_settings(self._url))
            try:
                database.settle(self._engine)
                self._make_table()
            except BaseException:
                self._engine.dispose()
                raise

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def remember(self, campaign: str, earlier: Earlier) -> int:
        """Keep trials, numbered in their order; how many of them were new. Telling them again changes nothing."""
        return self.add(remembered(campaign, earlier))

    def add(self, records: Iterable[Remembered]) -> int:
        """Keep records; how many of them were new. Of one campaign and number the first that was told counts.

        A service keeps its newest trials: older ones are let go, and are not new when they are told again.
        """
        ordered = sorted(records, key=lambda record: record.key)
        with self._writing() as connection:
            new: set[tuple[str, int]] = set()
            for start in range(0, len(ordered), _AT_ONCE):
                new |= self._insert(connection, ordered[start : start + _AT_ONCE])
            gone = {
                key for service in {record.service for record in ordered} for key in self._trim(connection, service)
            }
        return len(new - gone)

    def records(self, services: Sequence[str] = (), *, most: int = RECALLED) -> tuple[Remembered, ...]:
        """The newest records of all services, or of these, ordered by service, campaign and number."""
        wanted = select(_TRIALS.c.campaign, _TRIALS.c.number, _TRIALS.c.record)
        if services:
            wanted = wanted.where(_TRIALS.c.service.in_(services))
        found = list(_read(self._rows(wanted.order_by(*_NEWEST).limit(most))))
        return tuple(sorted(found, key=lambda record: (record.service, record.key)))

    def recall(self) -> tuple[Earlier, ...]:
        """Everything, grouped by service, engine, hardware, load and model."""
        return grouped(self.records())

    def forget(self, service: str) -> int:
        """Remove a service's trials; how many there were."""
        with self._writing() as connection:
            gone = connection.execute(delete(_TRIALS).where(_TRIALS.c.service == service).returning(_TRIALS.c.number))
            return len(gone.all())

    @contextmanager
    def _guard(self) -> Iterator[None]:
        with database.guarded(self._url, _WHAT):
            yield

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._guard(), self._engine.begin() as connection:
            yield connection

    def _rows(self, wanted: Select[str, int, str]) -> list[tuple[str, int, str]]:
        with self._guard(), self._engine.connect() as connection:
            return [(row[0], row[1], row[2]) for row in connection.execute(wanted)]

    def _make_table(self) -> None:
        try:
            _METADATA.create_all(self._engine)
        except DBAPIError:
            if not inspect(self._engine).has_table(_TRIALS.name):  # another process may have made it meanwhile
                raise

    def _insert(self, connection: Connection, records: Sequence[Remembered]) -> set[tuple[str, int]]:
        rows = [
            {
                "campaign": record.campaign,
                "number": record.number,
                "service": record.service,
                "ended": record.ended,
                "record": record.line(),
            }
            for record in records
        ]
        dialect = sqlite if self._engine.dialect.name == "sqlite" else postgresql
        statement = dialect.insert(_TRIALS).values(rows).on_conflict_do_nothing()
        return {(row[0], row[1]) for row in connection.execute(statement.returning(*_TRIALS.primary_key))}

    def _trim(self, connection: Connection, service: str) -> list[tuple[str, int]]:
        """Let the oldest trials of a service go; which."""
        key = tuple_(*_TRIALS.primary_key)
        old = select(*_TRIALS.primary_key).where(_TRIALS.c.service == service).order_by(*_NEWEST).offset(self._keep)
        gone = connection.execute(delete(_TRIALS).where(key.in_(old)).returning(*_TRIALS.primary_key))
        return [(row[0], row[1]) for row in gone]


def _read(rows: Iterable[tuple[str, int, str]]) -> Iterator[Remembered]:
    """What can be read: a row of another version of tuner, or one that was tampered with, teaches nothing."""
    unread = 0
    for campaign, number, text in rows:
        try:
            record = Remembered.model_validate_json(text, strict=True)
        except ValidationError:
            unread += 1
            continue
        if record.key == (campaign, number):
            yield record
        else:
            unread += 1
    if unread:
        _log.warning("experience that cannot be read is left out", trials=unread)
