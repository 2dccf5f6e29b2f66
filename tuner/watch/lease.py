"""Who leads: one replica at a time, agreed on by a record that is only ever swapped.

The holder raises ``beat``. Another replica takes over once it has itself seen the same record for the lease's whole
time on its own monotonic clock, so that neither a wrong clock nor one that jumps makes two leaders. Each new holder
has a higher ``fence``; whoever still writes with a lower one is refused.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from tuner.errors import TunerError

__all__ = ["Election", "LeaseRecord", "LeaseStore", "Term"]

NOBODY = ""


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """What is agreed on. ``holder`` is empty where the lease was given back."""

    holder: str
    fence: int
    beat: int
    seconds: float


class LeaseStore(Protocol):
    """Where the record is kept. Both methods raise TemporaryError where the place does not answer."""

    def read(self) -> LeaseRecord | None:
        """The record; None where there was never one."""
        ...

    def swap(self, old: LeaseRecord | None, new: LeaseRecord) -> bool:
        """Replace ``old`` by ``new``; False, and nothing changed, where another record is there by now."""
        ...


@dataclass(frozen=True, slots=True)
class Term:
    """Leading, as long as ``until`` (seconds of the monotonic clock) has not come."""

    fence: int
    until: float


class Election:
    """One replica's part in the agreement; not for several threads."""

    def __init__(
        self, store: LeaseStore, replica: str, seconds: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._replica = replica
        self._seconds = seconds
        self._clock = clock
        self._seen: tuple[LeaseRecord | None, float] | None = None

    def stand(self) -> Term | None:
        """Renew the own lease, or take one that is free; None where another replica leads.

        Errors as the store's. The term counts from before the store was asked, so it never outlasts the lease.
        """
        asked = self._clock()
        record = self._store.read()
        if self._seen is None or self._seen[0] != record:
            self._seen = (record, asked)
        wanted = self._wanted(record, asked)
        if wanted is None or not self._store.swap(record, wanted):
            return None
        self._seen = (wanted, asked)
        return Term(wanted.fence, asked + self._seconds)

    def resign(self) -> None:
        """Give an own lease back, so that another replica need not wait for its end. Never raises a TunerError."""
        try:
            record = self._store.read()
            if record is not None and record.holder == self._replica:
                self._store.swap(record, replace(record, holder=NOBODY, beat=record.beat + 1))
        except TunerError:
            return

    def _wanted(self, record: LeaseRecord | None, now: float) -> LeaseRecord | None:
        if record is None:
            return LeaseRecord(self._replica, 1, 1, self._seconds)
        if record.holder == self._replica:
            return replace(record, beat=record.beat + 1, seconds=self._seconds)
        since = self._seen[1] if self._seen else now
        if record.holder == NOBODY or now - since >= record.seconds:
            return LeaseRecord(self._replica, record.fence + 1, record.beat + 1, self._seconds)
        return None
