"""Servers of the scripts in this folder, and orders for them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.engine.protocol import ClientProtocol, Endpoint, HttpRequest, Ports
from tuner.load.order import Order
from tuner.load.request import wire_port, wire_request
from tuner.load.sender import Sender
from tuner.load.tally import Observation

CALL = "/inference.GRPCInferenceService/ModelInfer"


@dataclass
class Peer:
    """A running server. ``said`` is what it printed when it ended."""

    port: int
    said: str = ""

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(host="127.0.0.1", ports=Ports(http=self.port, grpc=self.port, metrics=1))


@contextmanager
def serving(script: str, mode: str) -> Iterator[Peer]:
    """The server ends with the block."""
    argv = [sys.executable, str(Path(__file__).with_name(script)), mode]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        peer = Peer(int(process.stdout.readline()))
        yield peer
        process.stdin.close()
        peer.said = process.stdout.read()


def message(size: int, fill: bytes = b"x") -> bytes:
    """A body that says how long it is, so that a server can tell whether it came whole."""
    return size.to_bytes(4, "big") + fill * (size - 4)


def requested(protocol: ClientProtocol, size: int = 5000) -> HttpRequest:
    if protocol == "grpc":
        return HttpRequest(protocol="grpc", path=CALL, body=message(size))
    if protocol == "stream":
        return HttpRequest(protocol="stream", path="/v1/chat/completions", body=b'{"stream": true}')
    return HttpRequest(path="/v2/x", body=b"x" * size)


def order(peer: Peer, request: HttpRequest, **fields: Any) -> Order:
    """A small order; fields by name."""
    usual: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": wire_port(request, peer.endpoint),
        "payloads": (wire_request(request, peer.endpoint),),
        "arrivals": "constant",
        "rate": 250.0,
        "count": 50,
        "lead_count": 5,
        "seed": 1,
        "timeout": 10.0,
        "bounds": (),
        "hopeless_after": None,
        "hopeless_failures": None,
        "answer_lengths": (None,),
        "outstanding": 64,
        "protocol": request.protocol,
    }
    return Order(**{**usual, **fields})


def sent(asked: Order, times: int = 1) -> Observation:
    """What is seen of the order; of the last one where it is sent several times."""
    sender = Sender()
    try:
        for _ in range(times):
            seen, elapsed = sender.run(asked)
            assert elapsed >= seen.finished
        return seen
    finally:
        sender.close()
