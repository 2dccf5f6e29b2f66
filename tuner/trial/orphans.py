"""What a killed tuner left behind: every server is on record from before it starts, so that the next start finds it."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from tuner.errors import TemporaryError
from tuner.trial import leftovers, process_table
from tuner.trial.process_table import Process
from tuner.value import Value

__all__ = ["TOKEN", "Identity", "Register", "ServerRecord", "clear"]

TOKEN = "TUNER_TRIAL"  # noqa: S105 - a name
"""Environment variable that every process of a server carries."""

_KILL_DEADLINE = 10.0
_DRAFT = ".new"
_WRITING = 60.0
"""Seconds after which a draft is nobody's, whichever process has the number of its writer."""


class Identity(Value):
    """A process that cannot be taken for a later one with its number; ``start`` in clock ticks since boot."""

    pid: int
    start: int

    @property
    def alive(self) -> bool:
        """Still running, and not a zombie."""
        return process_table.living(self.pid, self.start)


class ServerRecord(Value):
    """One server, its keeper and the tuner that owns them. Process ids count within (host, boot, namespace)."""

    token: str
    host: str
    boot: str
    namespace: str
    owner: Identity
    keeper: Identity | None = None
    server: Identity | None = None
    leftovers: tuple[str, ...] = ()

    @property
    def ended(self) -> bool:
        """Nothing of it can be running: this machine was restarted since."""
        return self.host == socket.gethostname() and self.boot != process_table.boot()

    @property
    def visible(self) -> bool:
        """Its process ids mean something here."""
        return (self.host, self.boot, self.namespace) == (
            socket.gethostname(),
            process_table.boot(),
            process_table.namespace(),
        )


class Register:
    """The records of one user's servers on this machine, one file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, patterns: tuple[str, ...] = ()) -> ServerRecord:
        """Put a server on record before it is started, with the files that it may leave behind.

        TemporaryError where that cannot be written.
        """
        this = process_table.find(os.getpid())
        if this is None:
            raise TemporaryError("/proc does not show this process: servers could not be cleared away")
        record = ServerRecord(
            token=uuid.uuid4().hex,
            host=socket.gethostname(),
            boot=process_table.boot(),
            namespace=process_table.namespace(),
            owner=Identity(pid=this.pid, start=this.start),
            leftovers=patterns,
        )
        self.write(record)
        return record

    def write(self, record: ServerRecord) -> None:
        """Write or replace a record, whole or not at all. TemporaryError where that fails."""
        file = self._file(record.token)
        draft = file.with_name(f"{file.stem}.{os.getpid()}{_DRAFT}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft.write_text(record.model_dump_json())
            draft.replace(file)
        except OSError as error:
            raise TemporaryError(f"cannot record a server in {self._folder}: {error.strerror}", delay=5.0) from error

    def close(self, record: ServerRecord) -> None:
        """The server is gone and so is its record. Any number of times."""
        with suppress(OSError):
            self._file(record.token).unlink()

    def reap(self) -> int:
        """End the servers whose tuner is dead; returns how many there were. Another living tuner's are left alone."""
        reaped = 0
        self._remove_drafts()
        for record in self._records():
            if record.ended:
                self.close(record)
            elif record.visible and not record.owner.alive:
                reaped += clear(record)
                self.close(record)
        return reaped

    def _remove_drafts(self) -> None:
        """What a tuner that was killed while it wrote a record left of it: its server never got to start."""
        for draft in self._folder.glob(f"*{_DRAFT}"):
            pid = draft.name.removesuffix(_DRAFT).rpartition(".")[2]
            with suppress(OSError):
                young = time.time() - draft.stat().st_mtime < _WRITING
                if not young or not pid.isdigit() or process_table.find(int(pid)) is None:
                    draft.unlink()

    def _records(self) -> list[ServerRecord]:
        try:
            files = sorted(self._folder.glob("*.json"))
        except OSError:
            return []
        found: list[ServerRecord] = []
        for file in files:
            # A file cut short by a full disk: its server never got to start.
            with suppress(OSError, ValidationError):
                record = ServerRecord.model_validate_json(file.read_bytes())
                if record.token == file.stem and re.fullmatch(r"[0-9a-f]{32}", record.token):
                    found.append(record)
        return found

    def _file(self, token: str) -> Path:
        return self._folder / f"{token}.json"


def clear(record: ServerRecord) -> bool:
    """Kill every process of a server and its keeper; True where there was one. TemporaryError where one survives."""
    deadline = time.monotonic() + _KILL_DEADLINE
    found = False
    while members := _members(record):
        found = True
        for process in members:
            process_table.kill(process, signal.SIGKILL)
        if time.monotonic() > deadline:
            pids = ", ".join(str(process.pid) for process in members)
            raise TemporaryError(f"processes of an earlier trial do not end: {pids}", delay=10.0)
        time.sleep(0.01)
    leftovers.remove(record.leftovers)
    return found


def _members(record: ServerRecord) -> list[Process]:
    """Exactly the processes of this server: by identity, by token, by descent, and by a session that one of them is in.

    A session outlives its leader, and its number is not given out again while it has a member: one proven member
    proves the whole session.
    """
    table = {pid: process for pid, process in process_table.processes().items() if not process.zombie}
    proven = {process.pid for process in table.values() if _proven(record, process)}
    sessions = {table[pid].session for pid in proven} & {identity.pid for identity in _identities(record)}
    proven |= {process.pid for process in table.values() if process.session in sessions}
    proven |= {process.pid for process in process_table.descendants(proven, table)}
    return [table[pid] for pid in sorted(proven - {os.getpid()})]


def _proven(record: ServerRecord, process: Process) -> bool:
    if any((identity.pid, identity.start) == (process.pid, process.start) for identity in _identities(record)):
        return True
    return process_table.environment_value(process.pid, TOKEN) == record.token


def _identities(record: ServerRecord) -> Iterable[Identity]:
    return tuple(identity for identity in (record.keeper, record.server) if identity is not None)
