"""The lease in the state database: one row, swapped under the conditions that were read."""

from __future__ import annotations

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from tuner.watch.database import Database
from tuner.watch.lease import LeaseRecord
from tuner.watch.tables import leases

__all__ = ["DatabaseLease"]


class DatabaseLease:
    """A ``LeaseStore`` for one name."""

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._name = name

    def read(self) -> LeaseRecord | None:
        columns = (leases.c.holder, leases.c.fence, leases.c.beat, leases.c.seconds)
        with self._database.read() as connection:
            row = connection.execute(select(*columns).where(leases.c.name == self._name)).first()
        return None if row is None else LeaseRecord(row.holder, row.fence, row.beat, row.seconds)

    def swap(self, old: LeaseRecord | None, new: LeaseRecord) -> bool:
        values = {"holder": new.holder, "fence": new.fence, "beat": new.beat, "seconds": new.seconds}
        with self._database.write() as connection:
            if old is not None:
                same = (
                    (leases.c.name == self._name)
                    & (leases.c.holder == old.holder)
                    & (leases.c.fence == old.fence)
                    & (leases.c.beat == old.beat)
                )
                return connection.execute(update(leases).where(same).values(**values)).rowcount == 1
            try:
                with connection.begin_nested():
                    connection.execute(insert(leases).values(name=self._name, **values))
            except IntegrityError:
                return False
            return True
