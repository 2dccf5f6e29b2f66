"""The process that sends load: Locust runs it, one open-loop user takes orders from standard input.

Started by ``Fleet`` as ``python -m tuner.load.worker``; one of several where it is told the port of Locust's master.
It ends when standard input does, also in the midst of a load, so nothing outlives a parent that was killed.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import logging
import os
import resource
import select
import sys
from pathlib import Path
from typing import Any, NoReturn

import gevent
import gevent.event
import gevent.monkey
import locust.runners
from locust import User, constant, task
from locust.env import Environment
from locust.exception import StopUser
from locust.stats import setup_distributed_stats_event_listeners

from tuner.load.board import Board
from tuner.load.channel import STDIN, read_frame, write_frame
from tuner.load.order import Order
from tuner.load.sender import CancelledLoadError, Sender
from tuner.load.shards import share_of
from tuner.load.statistics import report
from tuner.load.tally import Observation
from tuner.load.wire import Shelf, WantedError, decode_order, encode_seen, frame

__all__ = ["OpenLoopUser", "main", "patient"]

Event: Any = gevent.event.Event
original: Any = gevent.monkey.get_original
spawn: Any = gevent.spawn
sleep: Any = gevent.sleep
PRIORITY = -10
LOOK = 0.1
PR_SET_TIMERSLACK = 29


class OpenLoopUser(User):
    """All users in one: takes an order, sends it when its times have come, answers with what it saw."""

    wait_time = constant(0)
    board: Board | None = None
    """Where several workers tell each other what they have counted."""
    spawned: Any = Event()

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.sender = Sender(STDIN, *([self.board.together] if self.board else []))
        self.shelf = Shelf()

    def on_start(self) -> None:
        """Locust has spawned this user: orders may come."""
        gc.disable()
        gc.freeze()
        self.spawned.set()
        write_frame(frame({"ready": os.getpid()}))

    @task
    def load(self) -> None:
        """One frame: something for the shelf, or an order."""
        try:
            received = read_frame()
            if "keep" in received[0]:
                self.shelf.keep(received)
            else:
                self._send(share_of(decode_order(received[0], self.shelf)))
        except (EOFError, CancelledLoadError):
            self.sender.close()
            raise StopUser from None
        except WantedError as error:
            write_frame(frame({"wanted": error.digest}))
        except OSError as error:
            write_frame(frame({"error": f"{error.strerror or error}"}))
            raise StopUser from None

    def _send(self, order: Order) -> None:
        seen, elapsed = self.sender.run(order)
        write_frame(encode_seen(seen, elapsed))
        self._account(order, seen, elapsed)

    def _account(self, order: Order, seen: Observation, elapsed: float) -> None:
        """What can wait until the answer is on its way."""
        report(self.environment, order, seen, elapsed)
        gc.collect()


def patient() -> None:
    """A load keeps its process to itself for as long as it lasts; Locust shall not take it for dead."""
    runners: Any = locust.runners
    runners.HEARTBEAT_LIVENESS = 10**9
    runners.MASTER_HEARTBEAT_TIMEOUT = float("inf")


def _settle(cpus: str) -> None:
    """Take the cores given; be on time; let as many connections be open as the machine allows."""
    if cpus:
        os.sched_setaffinity(0, {int(cpu) for cpu in cpus.split(",")})
    with contextlib.suppress(PermissionError):  # on a machine where others run too, it is less late with it
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
    with contextlib.suppress(OSError):  # most kernels share cores among sessions first, by the niceness of each
        if os.getsid(0) == os.getpid():
            Path("/proc/self/autogroup").write_text(f"{PRIORITY}")
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _end_with_parent() -> None:
    """Locust's worker would wait for its master, and go on without a user, for as long as it is not told to stop."""
    pipe = original("select", "poll")()
    pipe.register(STDIN, select.POLLHUP)
    while not pipe.poll(0):
        sleep(LOOK)
    os._exit(0)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Serve orders until standard input ends."""
    parser = argparse.ArgumentParser(prog="tuner.load.worker", description=__doc__)
    parser.add_argument("--cpus", default="", help="cores to run on, for example 1 or 2,3")
    parser.add_argument("--master", type=int, help="port of Locust's master on this machine, for one of several")
    parser.add_argument("--board", help="descriptor of the memory that the workers share, and their number: 5/2")
    parser.add_argument("--number", type=int, default=0, help="which of several this is, from 0")
    chosen = parser.parse_args(arguments)
    _settle(chosen.cpus)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    patient()
    if chosen.master is not None:
        spawn(_end_with_parent)
    environment: Any = Environment(user_classes=[OpenLoopUser], catch_exceptions=False)
    if chosen.master is None:
        setup_distributed_stats_event_listeners(environment.events, environment.stats)
        runner = environment.create_local_runner()
        runner.start(1, spawn_rate=1)
    else:
        memory, workers = map(int, chosen.board.split("/"))
        OpenLoopUser.board = Board(memory, workers, chosen.number)
        runner = environment.create_worker_runner("127.0.0.1", chosen.master)
    OpenLoopUser.spawned.wait()
    runner.user_greenlets.join()
    sys.stderr.flush()
    os._exit(0)  # nothing is left to say, and Locust's greenlets would have to be asked to end one by one


if __name__ == "__main__":
    main()
