"""The campaign's memory: every event goes into the ledger first and only then counts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import ValidationError

from tuner.campaign.event import Event, event_of
from tuner.campaign.observer import Observer
from tuner.campaign.progress import Progress
from tuner.errors import PermanentError
from tuner.ledger.chain import Ledger, read_chain
from tuner.ledger.record import Record

__all__ = ["Journal", "progress_of", "read_events"]


class Journal:
    """The ledger of one campaign, typed: events in, progress out. Open for one process at a time."""

    def __init__(self, ledger: Ledger, observer: Observer) -> None:
        self._ledger = ledger
        self._observer = observer
        self.progress = Progress()
        self.sequence: dict[str, int] = {}
        """Sequence number of the last record by what it is about: kind, and number where it has one."""
        for record, event in read_events(ledger.records()):
            self._learn(record, event, replayed=True)

    @classmethod
    def open(cls, path: Path, campaign: str, observer: Observer) -> Self:
        """Open or begin the campaign's ledger; errors as ``Ledger.open``."""
        ledger = Ledger.open(path, campaign)
        try:
            return cls(ledger, observer)
        except BaseException:
            ledger.close()
            raise

    def record(self, event: Event) -> Record:
        """Write one event; on the disk when this returns. Errors as ``Ledger.append``."""
        body = event.model_dump(mode="json", by_alias=True, exclude={"kind"})
        record = self._ledger.append(event.kind, body)
        self._learn(record, event, replayed=False)
        return record

    @property
    def records(self) -> tuple[Record, ...]:
        """Every record so far."""
        return self._ledger.records()

    def chain(self) -> bytes:
        """The bytes of the chain as they are on the disk."""
        return self._ledger.content()

    def _learn(self, record: Record, event: Event, *, replayed: bool) -> None:
        self.progress = self.progress.after(event)
        self.sequence[_topic(event)] = record.seq
        self._observer.event(event, replayed=replayed)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ledger.close()


def progress_of(chain: bytes) -> Progress:
    """The progress that a chain's bytes tell. PermanentError where the chain is broken or of another version."""
    progress = Progress()
    for _, event in read_events(read_chain(chain)):
        progress = progress.after(event)
    return progress


def read_events(records: Iterable[Record]) -> list[tuple[Record, Event]]:
    """The events behind a ledger's records. PermanentError where one was written by another version of tuner."""
    events = []
    for record in records:
        try:
            events.append((record, event_of(record.kind, record.body)))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise PermanentError(
                f"record {record.seq} ({record.kind}) of {record.campaign} is of another version of tuner: "
                f"{where}: {first['msg']}; finish the campaign with that version"
            ) from error
    return events


def _topic(event: Event) -> str:
    match event.kind:
        case "trial-finished":
            return f"{event.kind} {event.trial.number}"
        case "recommended" | "judged":
            return f"{event.kind} {event.candidate}"
        case "block-finished":
            return f"{event.kind} {event.candidate} {event.block.index}"
        case _:
            return event.kind
