"""Where studies are kept: an SQLite file of the campaign, or PostgreSQL by URL. Optuna's own tables, nothing else."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError, SQLAlchemyError

from tuner.errors import PermanentError, TemporaryError, UserError

__all__ = ["StudyStorage", "guarded", "quiet", "sqlite_url"]

_PATIENCE = 30
"""Seconds to wait for another writer's lock or for a connection."""


def sqlite_url(path: Path) -> str:
    """The URL of a study file."""
    return f"sqlite:///{path}"


@contextmanager
def guarded(url: URL) -> Iterator[None]:
    """Turn the database's exceptions into ours: TemporaryError where waiting can help, else PermanentError."""
    place = url.render_as_string(hide_password=True)
    try:
        yield
    except (StorageInternalError, SQLAlchemyError, sqlite3.Error) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
        origin = getattr(cause, "orig", None) or cause
        text = str(origin).strip().splitlines()[0] if str(origin).strip() else type(origin).__name__
        if _may_pass(cause, text):
            raise TemporaryError(f"the study's database {place} does not answer: {text}", delay=5.0) from error
        raise PermanentError(f"the study's database {place} cannot be used: {text}") from error


def _may_pass(error: BaseException, text: str) -> bool:
    if any(word in text for word in ("not a database", "malformed", "unable to open", "readonly", "does not exist")):
        return False
    operational = isinstance(error, OperationalError | sqlite3.OperationalError)
    return operational or (isinstance(error, DBAPIError) and error.connection_invalidated)


class StudyStorage:
    """An open database of studies. What was told survives the process when the call returns."""

    def __init__(self, storage_url: str) -> None:
        """Open, creating the file and the tables where they are missing.

        Raises UserError for a URL that is none, TemporaryError and PermanentError as ``guarded`` says.
        """
        self.url = _parsed(storage_url)
        with guarded(self.url):
            if self.url.get_backend_name() == "sqlite":
                _prepare_file(self.url)
            self.optuna = RDBStorage(
                self.url.render_as_string(hide_password=False), engine_kwargs=_engine_settings(self.url)
            )
            if self.url.get_backend_name() == "sqlite":
                event.listen(self.optuna.engine, "connect", _settle_for_the_log)
                self.optuna.engine.dispose()

    def close(self) -> None:
        """Give the connections back."""
        self.optuna.remove_session()
        self.optuna.engine.dispose()


def _parsed(storage_url: str) -> URL:
    try:
        url = make_url(storage_url)
        backend = url.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise UserError.of(
            "the storage URL is not one", "write sqlite:///path/to/file.db or postgresql://user@host/database"
        ) from error
    if backend == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and url.database:
        return url
    raise UserError.of(
        f"studies cannot be stored in {backend}", "use sqlite:///path or postgresql://user@host/database"
    )


def _engine_settings(url: URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": _PATIENCE}}
    return {"pool_pre_ping": True, "connect_args": {"connect_timeout": _PATIENCE}}


def _prepare_file(url: URL) -> None:
    """Write-ahead log: a killed writer never leaves a half-written page, and a dashboard may read meanwhile.

    The mode is kept in the file.
    """
    path = Path(str(url.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PermanentError(f"the folder of the study's database {path} cannot be made: {error.strerror}") from error
    with closing(sqlite3.connect(path, timeout=_PATIENCE)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


def _settle_for_the_log(connection: sqlite3.Connection, _record: object) -> None:
    """Sync the file at checkpoints only: a killed process loses nothing, and after a power cut the ledger tells all."""
    connection.execute("PRAGMA synchronous=NORMAL")


def quiet() -> None:
    """Keep Optuna's own log lines out of ours; what matters is in the study."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
