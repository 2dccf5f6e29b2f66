"""The state database: SQLite or PostgreSQL, brought to this version's tables when it is opened."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, insert, select, text, update
from sqlalchemy.engine import URL

from tuner.errors import PermanentError, TemporaryError
from tuner.experience.database import engine_settings, guarded, parsed, prepare, settle
from tuner.watch.tables import fences

__all__ = ["Database", "FencedError", "migrations"]

_WHAT = "the state database"
_READING = "tuner_reading"
_MIGRATION_LOCK = 5_862_337
"""Of PostgreSQL's advisory locks: two replicas that start together migrate one after the other."""


class FencedError(TemporaryError):
    """A newer leader has written: this process does not lead any more, and nothing was changed."""


class Database:
    """An open state database.

    Every method raises TemporaryError where the database does not answer, PermanentError where it cannot be used.
    """

    def __init__(self, url: URL, engine: Engine) -> None:
        self.url = url
        self.engine = engine
        self._closed = False

    @classmethod
    def open(cls, address: str) -> Self:
        """Open, making the tables or migrating them. UserError for an address that is none."""
        url = parsed(address)
        with guarded(url, _WHAT):
            prepare(url, _WHAT)
            engine = create_engine(url, **engine_settings(url))
            settle(engine)
            if url.get_backend_name() == "sqlite":
                _begin_at_once(engine)
            made = cls(url, engine)
            try:
                made._migrate()
            except BaseException:
                made.close()
                raise
        return made

    def close(self) -> None:
        """Give the connections back; those that another thread still uses, when it is done with them."""
        self._closed = True
        self.engine.pool.dispose()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that changes nothing."""
        with self._given_back(), guarded(self.url, _WHAT), self.engine.connect() as connection:
            yield connection.execution_options(**{_READING: True})

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that any replica may make: all of it or nothing."""
        with self._given_back(), guarded(self.url, _WHAT), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def _given_back(self) -> Iterator[None]:
        """What a thread puts back into the pool after `close` is closed by that thread."""
        try:
            yield
        finally:
            if self._closed:
                self.engine.pool.dispose()

    @contextmanager
    def lead(self, name: str, fence: int) -> Iterator[Connection]:
        """A transaction of the leader with this fence. FencedError, and nothing changed, where a newer one wrote."""
        with self.write() as connection:
            self._fence(connection, name, fence)
            yield connection

    def _fence(self, connection: Connection, name: str, fence: int) -> None:
        condition = (fences.c.name == name) & (fences.c.fence <= fence)
        if connection.execute(update(fences).where(condition).values(fence=fence)).rowcount == 1:
            return
        if connection.execute(select(fences.c.fence).where(fences.c.name == name)).first() is not None:
            raise FencedError("another replica leads now: this one stops working")
        connection.execute(insert(fences).values(name=name, fence=fence))

    def _migrate(self) -> None:
        with self.engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
            try:
                command.upgrade(migrations(connection), "head")
            except CommandError as error:
                raise PermanentError(
                    f"{_WHAT} was written by a newer version of tuner ({error}): use that version, or another database"
                ) from error


def migrations(connection: Connection | None = None) -> Config:
    """Alembic's configuration for these tables, on a connection whose transaction is the caller's."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    ScriptDirectory.from_config(config)
    return config


def _begin_at_once(engine: Engine) -> None:
    """A transaction that writes to SQLite takes the lock when it begins: one that reads first cannot fail later."""

    def connected(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys=ON")

    def begun(connection: Connection) -> None:
        reading = connection.get_execution_options().get(_READING, False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    engine.dispose()
