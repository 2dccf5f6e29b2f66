"""Locust's master for several workers on this machine: it starts their users and sums up their statistics.

Started by ``Fleet`` as ``python -m tuner.load.master``. Orders and what came of them do not pass through it. It tells
its port when it listens, answers every frame with the statistics so far, and ends when standard input does.
"""

from __future__ import annotations

import argparse
import logging
import sys
from typing import Any

import gevent
from locust.env import Environment

from tuner.load.channel import read_frame, write_frame
from tuner.load.wire import frame
from tuner.load.worker import OpenLoopUser, patient

__all__ = ["main"]

spawn: Any = gevent.spawn
sleep: Any = gevent.sleep
LOOPBACK = "127.0.0.1"
LOOK = 0.01


def main(arguments: list[str] | None = None) -> int:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="tuner.load.master", description=__doc__)
    parser.add_argument("--workers", type=int, required=True, help="how many will connect")
    workers = parser.parse_args(arguments).workers
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    patient()
    environment: Any = Environment(user_classes=[OpenLoopUser], catch_exceptions=False)
    runner = environment.create_master_runner(LOOPBACK, 0)
    write_frame(frame({"port": runner.server.port}))
    starting = spawn(_start, runner, workers)
    try:
        while True:
            read_frame()
            total = environment.stats.total
            write_frame(frame({"requests": total.num_requests, "failures": total.num_failures}))
    except EOFError:
        starting.kill()
        runner.greenlet.kill(block=False)
        runner.server.close(linger=0)
    return 0


def _start(runner: Any, workers: int) -> None:
    """One user on each worker, once all of them have connected."""
    while len(runner.clients.ready) < workers:
        sleep(LOOK)
    runner.start(workers, spawn_rate=workers)


if __name__ == "__main__":
    sys.exit(main())
