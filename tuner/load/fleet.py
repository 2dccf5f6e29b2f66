"""The worker processes of a load generator: one under Locust's local runner, several under its master.

Orders and answers go over each worker's own pipes. Locust's messages (loopback, a port that the system chooses) start
the workers' users and carry their statistics to the master.
"""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Sequence

from tuner.load.board import Board
from tuner.load.child import Child
from tuner.load.wire import Frame, Package, frame

__all__ = ["Fleet"]


class Fleet:
    """``workers`` processes, ready for orders. They end by themselves when this process does, however that ends.

    EOFError or OSError where one of them ends or did not start, TimeoutError where one is silent for too long: what is
    left of the fleet is of no use then but for ``last_words`` and ``end``.
    """

    def __init__(self, cpus: Sequence[int], workers: int) -> None:
        """``cpus``: the cores to run on, any where none is given; several workers have one each while they last."""
        self.workers: list[Child] = []
        self._cpus = tuple(cpus)
        self._wanted = workers
        self._master: Child | None = None
        self._stocked: set[str] = set()
        self._memory = Board.memory(workers)
        self._board = Board(self._memory, workers)

    def __len__(self) -> int:
        return self._wanted

    def start(self, timeout: float) -> None:
        """Start the processes and wait until they are ready."""
        deadline = time.monotonic() + timeout
        told: tuple[str, ...] = ()
        if self._wanted > 1:
            self._master = Child("tuner.load.master", ["--workers", str(self._wanted)])
            (ready, _), *_ = _answers([self._master], deadline)
            told = ("--master", str(ready["port"]), "--board", f"{self._memory}/{self._wanted}")
        for number in range(self._wanted):
            cpus = self._cpus
            if self._wanted > 1 and cpus:
                cpus = (cpus[number % len(cpus)],)
            arguments = ["--cpus", ",".join(map(str, cpus)), "--number", str(number), *told]
            self.workers.append(Child("tuner.load.worker", arguments, (self._memory,) if told else ()))
        _answers(self.workers, deadline)

    def stock(self, packages: Sequence[Package], timeout: float) -> None:
        """Put packages on every worker's shelf, unless they are there by what this process knows."""
        for package in packages:
            if package.digest not in self._stocked:
                _send(self.workers, [package.frame()] * len(self.workers), time.monotonic() + timeout)
                self._stocked.add(package.digest)

    def missing(self, digest: str) -> None:
        """A worker said that it has no such package (any more)."""
        self._stocked.discard(digest)

    def ask(self, orders: Sequence[bytes], timeout: float) -> list[Frame]:
        """Give each worker its order; the answer of each. An answer that tells an error ends the waiting."""
        if self._master is not None and self._master.process.poll() is not None:
            raise EOFError
        deadline = time.monotonic() + timeout
        self._board.clear()
        _send(self.workers, orders, deadline)
        return _answers(self.workers, deadline)

    def statistics(self, timeout: float) -> dict[str, int]:
        """What Locust's master has counted so far; workers report to it every few seconds. Empty without a master."""
        if self._master is None:
            return {}
        deadline = time.monotonic() + timeout
        _send([self._master], [frame({"ask": "statistics"})], deadline)
        (told, _), *_ = _answers([self._master], deadline)
        return told

    def last_words(self) -> str:
        """What a process that has ended said last, else what any of them did."""
        children = [*self.workers, *([self._master] if self._master else [])]
        said = [(child.process.poll() is None, child.last_words()) for child in children]
        return next((words for _, words in sorted(said, key=lambda entry: entry[0]) if words), "")

    def end(self, *, at_once: bool = False) -> None:
        """End every process. Idempotent."""
        children = [*self.workers, *([self._master] if self._master else [])]
        self.workers, self._master = [], None
        for child in children:
            if child.process.stdin is not None:
                child.process.stdin.close()
        for child in children:
            child.end(at_once=at_once)
        if self._memory >= 0:
            os.close(self._memory)
            self._memory = -1


def _send(children: Sequence[Child], frames: Sequence[bytes], deadline: float) -> None:
    for child, data in zip(children, frames, strict=True):
        rest = child.write(memoryview(data))
        if rest:
            with selectors.DefaultSelector() as selector:
                selector.register(child.stdin, selectors.EVENT_WRITE)
                while rest:
                    if not selector.select(max(deadline - time.monotonic(), 0.0)):
                        raise TimeoutError("the worker does not take its order")
                    rest = child.write(rest)


def _answers(children: Sequence[Child], deadline: float) -> list[Frame]:
    """The next frame of each; a frame that tells an error, or wants something, need not be waited beyond."""
    found: dict[int, Frame] = {}
    with selectors.DefaultSelector() as selector:
        for number, child in enumerate(children):
            selector.register(child.stdout, selectors.EVENT_READ, number)
        while len(found) < len(children):
            events = selector.select(max(deadline - time.monotonic(), 0.0))
            if not events:
                raise TimeoutError("the worker's pipe is silent")
            for key, _ in events:
                frame = children[key.data].read()
                if frame is not None:
                    found[key.data] = frame
                    selector.unregister(key.fileobj)
                    if "error" in frame[0]:
                        return [frame]
    return [found[number] for number in range(len(children))]
