"""A campaign's process that is started before there is a campaign, because reading the libraries takes seconds.

It waits with nothing of any repository in it: what it is to do, and the secrets that it needs for that, come as one
line on its standard input, which is its heartbeat from then on. It ends when that is closed.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import Field, ValidationError

from tuner.telemetry.logs import logger
from tuner.value import Value

__all__ = ["LONGEST_ORDER", "Order", "Standby", "read_order"]

LONGEST_ORDER = 48 << 10
"""Bytes. A pipe holds 64 KiB: an order is written at once, whether or not anybody reads it yet."""
_log = logger("watch")


class Order(Value):
    """What to do: the command line behind ``tuner``, further variables, and the files to write to (both are there)."""

    arguments: tuple[str, ...]
    environment: dict[str, str] = Field(repr=False)
    out: str
    log: str


def read_order(handle: int) -> Order | None:
    """The order that comes on a file handle, not a byte more than its line is read; None at its end or for no order."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(handle, 1)
        if not byte or len(line) > LONGEST_ORDER:
            return None
        line += byte
    try:
        return Order.model_validate_json(line)
    except ValidationError:
        return None


class Standby:
    """Keeps one such process. ``program`` runs it, ``environment`` is all that it gets before its order.

    Used by one thread. No method raises: without it a campaign is started as any other process.
    """

    def __init__(self, program: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self._program = tuple(program)
        self._environment = dict(environment)
        self._log = log
        self._child: subprocess.Popen[bytes] | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The process that waits; None while there is none."""
        return self._child.pid if self._child is not None and self._child.poll() is None else None

    def prepare(self) -> None:
        """Start one, unless it is there."""
        if self._closed or self.pid is not None:
            return
        self._drop()
        try:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("wb") as log:
                self._child = subprocess.Popen(
                    self._program,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    env=self._environment,
                    start_new_session=True,
                )
        except OSError as error:
            _log.warning("no process can be kept ready", reason=error.strerror or str(error))

    def take(self, order: Order) -> subprocess.Popen[bytes] | None:
        """The process, at work on the order; None where there is none. The next one is for ``prepare``."""
        child, line = self._child, order.model_dump_json().encode() + b"\n"
        if self.pid is None or child is None or child.stdin is None or len(line) > LONGEST_ORDER:
            return None
        self._child = None
        try:
            os.write(child.stdin.fileno(), line)
        except OSError:  # it ended just now
            _end(child)
            return None
        return child

    def close(self) -> None:
        """End the one that waits, and start no other."""
        self._closed = True
        self._drop()

    def _drop(self) -> None:
        if self._child is not None:
            _end(self._child)
            self._child = None


def _end(child: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        child.kill()
    if child.stdin is not None:
        with suppress(OSError):
            child.stdin.close()
    child.wait()
