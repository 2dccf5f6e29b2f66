"""The process that sends load: Locust runs it, one open-loop user takes orders from standard input.

Started by ``LocustGenerator`` as ``python -m tuner.load.worker``. It ends when standard input does, also in the midst
of a load, so nothing outlives a parent that was killed.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import json
import logging
import os
import resource
import sys
from dataclasses import asdict
from typing import Any

import gevent.select
from locust import User, constant, task
from locust.env import Environment
from locust.exception import StopUser
from locust.stats import setup_distributed_stats_event_listeners

from tuner.load.order import Order
from tuner.load.sender import CancelledLoadError, Sender
from tuner.load.statistics import report
from tuner.load.tally import Observation, Tally, tally
from tuner.load.wire import FRAME, Frame, decode_order, frame

__all__ = ["OpenLoopUser", "main"]

wait_until_readable: Any = gevent.select.select
STDIN, STDOUT = 0, 1
PRIORITY = -10
PR_SET_TIMERSLACK = 29


def _read(size: int) -> bytes:
    """Exactly that many bytes from standard input; EOFError where it ends."""
    parts = []
    while size:
        wait_until_readable([STDIN], [], [])
        part = os.read(STDIN, min(size, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _read_order() -> Order:
    header, blob = FRAME.unpack(_read(FRAME.size))
    received: Frame = (json.loads(_read(header)), _read(blob))
    return decode_order(received)


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(STDOUT, data) :]


def _counted(order: Order, seen: Observation, elapsed: float) -> Tally:
    return tally(
        seen, planned=order.count, rate=order.rate, timeout=order.timeout, bounds=order.bounds, elapsed=elapsed
    )


class OpenLoopUser(User):
    """All users in one: takes an order, sends it when its times have come, answers with the tally."""

    wait_time = constant(0)

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.sender = Sender(cancel=STDIN)

    @task
    def load(self) -> None:
        """One order."""
        try:
            order = _read_order()
            counted = _counted(order, *self.sender.run(order))
        except (EOFError, CancelledLoadError):
            self.sender.close()
            raise StopUser from None
        except OSError as error:
            _write(frame({"error": f"{error.strerror or error}"}))
            raise StopUser from None
        finally:
            gc.collect()
        _write(frame(asdict(counted)))
        report(self.environment, order, counted)


def _settle(cpus: str) -> None:
    """Take the cores given; be on time; let as many connections be open as the machine allows."""
    if cpus:
        os.sched_setaffinity(0, {int(cpu) for cpu in cpus.split(",")})
    with contextlib.suppress(PermissionError):  # on a machine where others run too, it is less late with it
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main(arguments: list[str] | None = None) -> int:
    """Serve orders until standard input ends."""
    parser = argparse.ArgumentParser(prog="tuner.load.worker", description=__doc__)
    parser.add_argument("--cpus", default="", help="cores to run on, for example 1 or 2,3")
    _settle(parser.parse_args(arguments).cpus)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    environment: Any = Environment(user_classes=[OpenLoopUser], catch_exceptions=False)
    setup_distributed_stats_event_listeners(environment.events, environment.stats)
    runner = environment.create_local_runner()
    gc.disable()
    gc.freeze()
    _write(frame({"ready": os.getpid()}))
    runner.start(1, spawn_rate=1)
    runner.spawning_greenlet.join()
    runner.user_greenlets.join()
    runner.quit()
    return 0


if __name__ == "__main__":
    sys.exit(main())
