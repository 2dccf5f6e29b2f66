"""The child's end of the pipes to the generator: frames from standard input, frames to standard output.

Reading lets gevent's other greenlets run, so Locust's own messages are handled while a process waits for work.
"""

from __future__ import annotations

import os
from typing import Any

import gevent.select

from tuner.load.wire import FRAME, Frame, unframed

__all__ = ["STDIN", "read_frame", "write_frame"]

wait_until_readable: Any = gevent.select.select
STDIN, STDOUT = 0, 1
CHUNK = 1 << 20


def read_frame() -> Frame:
    """The next frame. EOFError where standard input ends."""
    header, blob = FRAME.unpack(_read(FRAME.size))
    return unframed(_read(header), _read(blob))


def write_frame(data: bytes) -> None:
    """Write a frame whole. OSError where nobody reads."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(STDOUT, rest[:CHUNK]) :]


def _read(size: int) -> bytes:
    parts = []
    while size:
        wait_until_readable([STDIN], [], [])
        part = os.read(STDIN, min(size, CHUNK))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
