"""The other end of a heartbeat: a campaign's process stops where its service died, hangs or does not lead any more."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time

__all__ = ["BEAT", "listen"]

BEAT = b"\n"
_LEFT = 0.5
"""Of the time without a beat, the part that is left for stopping cleanly before the process is killed."""


def listen(patience: float, handle: int | None = None) -> threading.Thread:
    """Watch the heartbeat on a file handle (default: standard input) beside everything else.

    After its end, or ``patience`` seconds without a beat, this process gets SIGINT, as from Ctrl-C; where it is still
    there after half of that time again, SIGKILL.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a service behind nohup hands it on ignored
    source = sys.stdin.fileno() if handle is None else handle
    thread = threading.Thread(target=_watch, args=(source, patience), name="heartbeat", daemon=True)
    thread.start()
    return thread


def _watch(handle: int, patience: float) -> None:
    last = _now()
    while (left := patience - (_now() - last)) > 0:
        ready, _, _ = select.select([handle], [], [], left)
        if not ready:
            continue
        if not os.read(handle, 4096):
            break
        last = _now()
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(max(patience * _LEFT, 1.0))
    os.kill(os.getpid(), signal.SIGKILL)


def _now() -> float:
    """Counts the time that the machine slept, too: a lease ends meanwhile."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
