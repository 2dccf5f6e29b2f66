"""The audit log while it is written: a file that only grows, by one writer, a record at a time."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tuner.errors import PermanentError, TemporaryError, TunerError
from tuner.ledger.inspection import inspect
from tuner.ledger.record import Record, timestamp

__all__ = ["Ledger", "continue_chain", "read_chain"]

Clock = Callable[[], datetime]


def _now() -> datetime:
    return datetime.now(UTC)


def read_chain(raw: bytes) -> tuple[Record, ...]:
    """All records of a chain's bytes; PermanentError where it is broken anywhere."""
    return inspect(raw).sound()


def continue_chain(existing: bytes, kind: str, body: dict[str, Any], *, time: datetime | None = None) -> bytes:
    """The chain's bytes with one more record; nothing is written anywhere.

    PermanentError where the chain is empty or broken, ValueError where ``body`` is not plain JSON.
    """
    records = read_chain(existing)
    if not records:
        raise PermanentError("an empty audit chain names no campaign and cannot be continued")
    last = records[-1]
    return existing + Record.after(last, last.campaign, kind, body, timestamp(time)).line()


class Ledger:
    """The chain file of one campaign, open for writing by this process alone.

    What ``append`` returned is on the disk; a crash leaves at most a torn last line, which the next ``open`` cuts off
    and keeps beside the file. Use it as a context manager, or call ``close``.
    """

    def __init__(self, path: Path, campaign: str, handle: int, clock: Clock) -> None:
        self.path = path
        self.campaign = campaign
        self._handle: int | None = handle
        self._clock = clock
        self._records: list[Record] = []
        self._size = 0

    @classmethod
    def open(cls, path: Path, campaign: str, *, clock: Clock = _now) -> Self:
        """Open the chain, or begin it.

        TemporaryError where another process has it open or the disk is full or fails, PermanentError where the chain is
        broken before its last line or belongs to another campaign.
        """
        handle = _open_locked(path)
        ledger = cls(path, campaign, handle, clock)
        try:
            ledger._load()
        except OSError as error:
            ledger.close()
            raise _trouble(path, "cannot be read", error) from error
        except BaseException:
            ledger.close()
            raise
        return ledger

    @property
    def head(self) -> Record | None:
        """The last record; ``None`` while there is none."""
        return self._records[-1] if self._records else None

    def records(self) -> tuple[Record, ...]:
        """All records, oldest first."""
        return tuple(self._records)

    def content(self) -> bytes:
        """The chain's bytes as they stand in the file."""
        return b"".join(record.line() for record in self._records)

    def append(self, kind: str, body: dict[str, Any]) -> Record:
        """Add a record and return once it is on the disk.

        TemporaryError where the disk is full or fails: the chain is then as it was before, and valid. ValueError where
        ``body`` is not plain JSON.
        """
        if self._handle is None:
            raise PermanentError(f"the audit log {self.path} is closed: open it again")
        record = Record.after(self.head, self.campaign, kind, body, timestamp(self._clock()))
        line = record.line()
        try:
            written = os.write(self._handle, line)
            if written != len(line):
                raise OSError(0, f"only {written} of {len(line)} bytes were written")
            os.fsync(self._handle)
        except OSError as error:
            self._undo()
            raise _trouble(self.path, "cannot grow", error) from error
        self._records.append(record)
        self._size += len(line)
        return record

    def close(self) -> None:
        """Give the file back to other processes; harmless when repeated."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _undo(self) -> None:
        """Take half a record back; where even that fails, the next open cuts it off."""
        if self._handle is not None:
            try:
                os.ftruncate(self._handle, self._size)
                os.fsync(self._handle)
            except OSError:
                self.close()

    def _load(self) -> None:
        raw = self.path.read_bytes()
        whole = raw[: raw.rfind(b"\n") + 1]
        chain = inspect(whole)
        if not chain.ok:
            raise PermanentError(
                f"the audit log {self.path} is broken ({chain.findings[0]}): "
                "nothing is added to it; move it away and keep it for inspection"
            )
        records = chain.sound()
        if records and records[0].campaign != self.campaign:
            raise PermanentError(f"the audit log {self.path} belongs to {records[0].campaign}, not to {self.campaign}")
        if len(whole) < len(raw):
            self._cut(raw[len(whole) :], len(whole))
        self._records = list(records)
        self._size = len(whole)

    def _cut(self, torn: bytes, size: int) -> None:
        """Keep what a crash left of a record beside the file, then cut it off."""
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}.torn-{number}")).exists():
            number += 1
        with aside.open("wb") as file:
            file.write(torn)
            file.flush()
            os.fsync(file.fileno())
        _sync_folder(self.path.parent)
        if self._handle is not None:
            os.ftruncate(self._handle, size)
            os.fsync(self._handle)


def _trouble(path: Path, what: str, error: OSError) -> TunerError:
    """Space and devices may come back; a path that is no file of ours does not become one."""
    message = f"the audit log {path} {what}: {error.strerror}"
    if error.errno in {errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.EROFS}:
        return PermanentError(message)
    return TemporaryError(message, delay=5)


def _open_locked(path: Path) -> int:
    """The file's descriptor with the writer's lock, held until it is closed or the process ends."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, flags, 0o644)
    except OSError as error:
        raise _trouble(path, "cannot be opened", error) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _sync_folder(path.parent)
    except OSError as error:
        os.close(handle)
        if isinstance(error, BlockingIOError):
            raise TemporaryError(f"another process writes the audit log {path}", delay=2) from error
        raise _trouble(path, "cannot be locked", error) from error
    return handle


def _sync_folder(folder: Path) -> None:
    """Make a new file's name survive a crash; file systems that cannot sync a folder need none."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)
