"""Databases by URL, an SQLite file or PostgreSQL: how one is opened, and what its exceptions become."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError, SQLAlchemyError

from tuner.errors import PermanentError, TemporaryError, UserError

__all__ = ["engine_settings", "guarded", "parsed", "prepare", "settle", "sqlite_url"]

_PATIENCE = 30
"""Seconds to wait for another writer's lock or for a connection."""


def sqlite_url(path: Path) -> str:
    """The URL of a database file."""
    return f"sqlite:///{path}"


def parsed(text: str) -> URL:
    """The URL of a database that can be used. UserError for any other."""
    try:
        url = make_url(text)
        backend = url.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise UserError.of(
            "the storage URL is not one", "write sqlite:///path/to/file.db or postgresql://user@host/database"
        ) from error
    if backend == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and url.database:
        return url
    raise UserError.of(f"nothing can be stored in {backend}", "use sqlite:///path or postgresql://user@host/database")


def engine_settings(url: URL) -> dict[str, Any]:
    """Arguments of ``create_engine`` beside the URL."""
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": _PATIENCE}}
    return {"pool_pre_ping": True, "connect_args": {"connect_timeout": _PATIENCE}}


@contextmanager
def guarded(url: URL, what: str) -> Iterator[None]:
    """Turn the database's exceptions into ours: TemporaryError where waiting can help, else PermanentError.

    ``what`` names the database in the message, for example "the study's database".
    """
    place = url.render_as_string(hide_password=True)
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        text = _told(error)
        if _may_pass(error, text):
            raise TemporaryError(f"{what} {place} does not answer: {text}", delay=5.0) from error
        raise PermanentError(f"{what} {place} cannot be used: {text}") from error


def prepare(url: URL, what: str) -> None:
    """Make the folder of an SQLite file, and keep the file as a write-ahead log; nothing to do for another database.

    A killed writer so never leaves a half-written page, and others may read meanwhile. The mode is kept in the file.
    PermanentError where the folder cannot be made.
    """
    if url.get_backend_name() != "sqlite":
        return
    path = Path(str(url.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PermanentError(f"the folder of {what} {path} cannot be made: {error.strerror}") from error
    with closing(sqlite3.connect(path, timeout=_PATIENCE)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


def settle(engine: Engine) -> None:
    """Sync an SQLite file at checkpoints only: a killed process loses nothing, and after a power cut the ledger tells.

    What was connected before is connected anew.
    """
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _at_checkpoints)
        engine.dispose()


def _at_checkpoints(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA synchronous=NORMAL")


def _told(error: BaseException) -> str:
    """The first line of what the driver says."""
    origin = getattr(error, "orig", None) or error
    return str(origin).strip().splitlines()[0] if str(origin).strip() else type(origin).__name__


def _may_pass(error: BaseException, text: str) -> bool:
    if any(word in text for word in ("not a database", "malformed", "unable to open", "readonly", "does not exist")):
        return False
    operational = isinstance(error, OperationalError | sqlite3.OperationalError)
    return operational or (isinstance(error, DBAPIError) and error.connection_invalidated)
