"""The simulator's server process: HTTP/1.1 that batches like an inference server and sleeps instead of computing.

Standard library only and no import from tuner: it is started by path with an isolated interpreter (``-I -S``), which
keeps its start below 0.3 s. Service time follows a virtual clock, so the capacity is the formula's even where the
operating system wakes the process late.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import os
import signal
import socket
import struct
import sys
import time
from dataclasses import asdict, dataclass, fields

__all__ = ["ANSWER_BYTES", "FAULTS", "Setup", "main"]

ANSWER_BYTES = 64
LEAK_LIMIT = 4 << 30  # a leak stops here, so that a machine without any memory limit survives the exercise
FAULTS = {
    "none": "behaves",
    "exit-at-start": "exits with status 3 before it listens",
    "never-ready": "listens, but never says that it is ready",
    "die": "exits with status 3 after `fault_after` requests",
    "leak-at-start": "takes memory without end before it is ready",
    "leak": "takes memory without end once `fault_after` requests came",
    "error": "answers 500 to every `fault_every`th request",
    "wrong-length": "answers 200 with a body one byte short to every `fault_every`th request",
    "reset": "resets the connection at every `fault_every`th request",
    "stall": "never answers every `fault_every`th request",
    "slow": "needs ten times as long",
    "ignore-terminate": "does not end on SIGTERM",
    "leave-child": "starts a child process that outlives it",
}


@dataclass(frozen=True)
class Setup:
    """The configuration file. Times in microseconds: a batch of n items takes ``base_us + n * item_us``."""

    instances: int = 1
    max_batch_size: int = 1
    queue_delay_us: int = 0
    base_us: int = 2_000
    item_us: int = 500
    contention: float = 0.05
    fault: str = "none"
    fault_after: int = 50
    fault_every: int = 1

    def service(self, items: int, cores: float) -> float:
        """Seconds that one instance needs for a batch; instances beyond ``cores`` share them and get in the way."""
        slowdown = max(1.0, self.instances / cores) * (1 + self.contention * (self.instances - 1))
        return (self.base_us + items * self.item_us) * slowdown * (10 if self.fault == "slow" else 1) / 1e6

    @classmethod
    def parse(cls, text: str) -> Setup:
        """ValueError for anything that is not a configuration."""
        raw = json.loads(text)
        if not isinstance(raw, dict):
            raise ValueError("the configuration is not a mapping")
        known = {field.name: type(field.default) for field in fields(cls)}
        for key, value in raw.items():
            kind = known.get(key)
            if kind is None:
                raise ValueError(f"unknown key {key!r}; known are {', '.join(known)}")
            if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else kind):
                raise ValueError(f"{key} has to be of type {kind.__name__}, not {value!r}")
        setup = cls(**raw)
        if setup.instances < 1 or setup.max_batch_size < 1 or setup.fault_every < 1:
            raise ValueError("instances, max_batch_size and fault_every have to be at least 1")
        if min(setup.queue_delay_us, setup.base_us, setup.item_us, setup.fault_after, setup.contention) < 0:
            raise ValueError("times and counts must not be negative")
        if setup.fault not in FAULTS:
            raise ValueError(f"unknown fault {setup.fault!r}; known are {', '.join(FAULTS)}")
        return setup


class Batcher:
    """The queue and the instances, on a virtual clock: a batch that waits starts when an instance becomes free."""

    def __init__(self, setup: Setup, cores: float) -> None:
        self.setup = setup
        self.cores = cores
        self.queue: collections.deque[tuple[float, Connection]] = collections.deque()
        self.free = [0.0] * setup.instances
        self.busy = 0
        self.received = self.answered = self.batches = 0
        self.timer: asyncio.TimerHandle | None = None
        self.leaking = False
        self.ballast: list[bytearray] = []

    def submit(self, connection: Connection) -> None:
        self.received += 1
        setup = self.setup
        if setup.fault == "die" and self.received > setup.fault_after:
            tell("died as told")
            os._exit(3)
        if setup.fault == "leak" and self.received > setup.fault_after and not self.leaking:
            self.leaking = True
            self.leak()
        if self.received % setup.fault_every == 0:
            if setup.fault == "stall":
                return
            if setup.fault == "reset":
                connection.reset()
                return
            if setup.fault == "error":
                connection.answer(500, b'{"error":"as told"}')
                return
        self.queue.append((time.monotonic(), connection))
        self.dispatch(time.monotonic())

    def dispatch(self, now: float) -> None:
        """Start every batch that may start; set a timer for one that waits for company."""
        loop = asyncio.get_running_loop()
        while self.queue and self.busy < len(self.free):
            full = len(self.queue) >= self.setup.max_batch_size
            due = self.queue[0][0] + self.setup.queue_delay_us / 1e6
            if not full and due > now:
                if self.timer is None:
                    self.timer = loop.call_later(due - now, self.expired)
                return
            batch = [self.queue.popleft() for _ in range(min(len(self.queue), self.setup.max_batch_size))]
            instance = min(range(len(self.free)), key=self.free.__getitem__)
            # The batch could start once its last item was there and the instance was free, whenever we woke up.
            start = max(self.free[instance], batch[-1][0] if full else max(due, batch[-1][0]))
            self.free.pop(instance)
            self.busy += 1
            self.free.append(start + self.setup.service(len(batch), self.cores))
            self.batches += 1
            loop.call_later(max(0.0, self.free[-1] - now), self.finish, batch)

    def expired(self) -> None:
        self.timer = None
        self.dispatch(time.monotonic())

    def finish(self, batch: list[tuple[float, Connection]]) -> None:
        self.busy -= 1
        self.dispatch(time.monotonic())
        short = self.setup.fault == "wrong-length"
        for _, connection in batch:
            self.answered += 1
            wrong = short and self.answered % self.setup.fault_every == 0
            connection.answer(200, b"\0" * (ANSWER_BYTES - wrong))

    def leak(self) -> None:
        """32 MiB every 10 ms, each page touched."""
        self.ballast.append(bytearray(os.urandom(4096)) * 8192)
        if len(self.ballast) << 25 < LEAK_LIMIT:
            asyncio.get_running_loop().call_later(0.01, self.leak)

    def statistics(self) -> dict[str, float]:
        return {
            "requests": self.received,
            "answered": self.answered,
            "batches": self.batches,
            "queued": len(self.queue),
        }


class Connection(asyncio.Protocol):
    """One client connection with keep-alive: a request at a time, bodies by Content-Length."""

    def __init__(self, batcher: Batcher) -> None:
        self.batcher = batcher
        self.buffer = bytearray()
        self.waiting = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):  # a TCP server makes no other
            self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.transport = None

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self.take()

    def take(self) -> None:
        """Serve the next request that has arrived whole."""
        end = self.buffer.find(b"\r\n\r\n")
        if self.waiting or end < 0:
            return
        line, *headers = bytes(self.buffer[:end]).split(b"\r\n")
        length = 0
        for header in headers:
            name, _, value = header.partition(b":")
            if name.lower() == b"content-length" and value.strip().isdigit():
                length = int(value)
        if len(self.buffer) < end + 4 + length:
            return
        del self.buffer[: end + 4 + length]
        self.waiting = True
        method, _, rest = line.partition(b" ")
        if method == b"POST":
            self.batcher.submit(self)
        else:
            self.inform(rest.partition(b" ")[0])

    def inform(self, path: bytes) -> None:
        ready = self.batcher.setup.fault != "never-ready"
        if path == b"/v2/health/live":
            self.answer(200, b"")
        elif path == b"/v2/health/ready":
            self.answer(200 if ready else 503, b"")
        elif path == b"/statistics":
            self.answer(200, json.dumps(self.batcher.statistics()).encode())
        elif path == b"/configuration":
            self.answer(200, json.dumps(asdict(self.batcher.setup)).encode())
        else:
            self.answer(404, b"")

    def answer(self, status: int, body: bytes) -> None:
        self.waiting = False
        if self.transport is not None:
            head = f"HTTP/1.1 {status} Simulated\r\nContent-Length: {len(body)}\r\n\r\n"
            self.transport.write(head.encode() + body)
            self.take()

    def reset(self) -> None:
        """End the connection as a crash would: with RST, whatever is still to be sent."""
        if self.transport is not None:
            linger = struct.pack("ii", 1, 0)
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.transport.abort()


def tell(message: str) -> None:
    """One line in the log."""
    sys.stderr.write(f"simulator: {message}\n")
    sys.stderr.flush()


async def serve(setup: Setup, host: str, port: int, cores: float) -> None:
    """Listen until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    if setup.fault == "ignore-terminate":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        loop.add_signal_handler(signal.SIGTERM, stopped.set)
    loop.add_signal_handler(signal.SIGINT, stopped.set)
    batcher = Batcher(setup, cores)
    if setup.fault == "leak-at-start":
        batcher.leak()
        await stopped.wait()
        return
    await loop.create_server(lambda: Connection(batcher), host, port, backlog=4096)
    tell(f"serving on {host}:{port}")
    await stopped.wait()


def main() -> int:
    """Entry point of the process; 2 for a configuration that is wrong."""
    parser = argparse.ArgumentParser(prog="simulator")
    parser.add_argument("--config", required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--cores", type=float, default=1.0)
    options = parser.parse_args()
    try:
        with open(options.config, encoding="utf-8") as file:  # noqa: PTH123  (pathlib costs start-up time)
            setup = Setup.parse(file.read())
    except (OSError, ValueError) as error:
        tell(f"{options.config}: {error}")
        return 2
    if setup.fault == "exit-at-start":
        tell("exits at start, as told")
        return 3
    if setup.fault == "leave-child" and os.fork() == 0:
        time.sleep(3600)
        os._exit(0)
    try:
        asyncio.run(serve(setup, options.host, options.port, options.cores))
    except OSError as error:
        tell(f"cannot listen on {options.host}:{options.port}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
