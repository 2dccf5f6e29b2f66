"""Where studies are kept: an SQLite file of the campaign, or PostgreSQL by URL. Optuna's own tables, nothing else."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from tuner.experience import database
from tuner.experience.database import sqlite_url

__all__ = ["StudyStorage", "guarded", "quiet", "sqlite_url"]

_WHAT = "the study's database"


@contextmanager
def guarded(url: URL) -> Iterator[None]:
    """Turn the exceptions of Optuna and of the database into ours, as ``tuner.experience.database.guarded`` does."""
    with database.guarded(url, _WHAT):
        try:
            yield
        except StorageInternalError as error:
            if isinstance(error.__cause__, SQLAlchemyError | sqlite3.Error):
                raise error.__cause__ from error
            raise SQLAlchemyError(str(error)) from error


class StudyStorage:
    """An open database of studies. What was told survives the process when the call returns."""

    def __init__(self, storage_url: str) -> None:
        """Open, creating the file and the tables where they are missing.

        Raises UserError for a URL that is none, TemporaryError and PermanentError as ``guarded`` says.
        """
        self.url = database.parsed(storage_url)
        with guarded(self.url):
            database.prepare(self.url, _WHAT)
            self.optuna = RDBStorage(
                self.url.render_as_string(hide_password=False), engine_kwargs=database.engine_settings(self.url)
            )
            database.settle(self.optuna.engine)

    def close(self) -> None:
        """Give the connections back."""
        self.optuna.remove_session()
        self.optuna.engine.dispose()


def quiet() -> None:
    """Keep Optuna's own log lines out of ours; what matters is in the study."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
