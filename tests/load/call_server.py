"""gRPC servers that compute nothing: ``python call_server.py MODE``. Prints its port; ends with standard input.

``ModelInfer`` is what they serve, as bytes. By grpcio: ok, few (two streams a connection), status (UNAVAILABLE), hang,
length (one byte more in every tenth answer), large (a megabyte), closing (ends each connection after 50 ms).
By h2, which refuses whatever a client must not do: judged (three streams a connection, a window of 1,000 bytes, pings,
padding), goaway (after 20 calls), rst (resets each call), early (answers before the body came), mute (no settings),
silent (settings, then nothing), cut (half an answer, then closes), prefix (a length that is wrong), noend (an answer
without status), http (a 503 without gRPC), flood (pings without end).
When an h2 server ends it prints how many calls it answered and what clients did wrong.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import sys
from collections.abc import Iterator
from concurrent import futures
from typing import Any

ANSWER = b"answer" * 10


def by_grpcio(mode: str) -> None:
    import grpc

    count = 0

    def infer(request: bytes, context: Any) -> bytes:
        nonlocal count
        count += 1
        if len(request) != int.from_bytes(request[:4], "big"):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the message is not whole")
        if mode == "status":
            context.abort(grpc.StatusCode.UNAVAILABLE, "no luck, 100 % of the time")
        if mode == "hang":
            select.select([0], [], [])
        if mode == "large":
            return bytes(1 << 20)
        return ANSWER + b"!" if mode == "length" and count % 10 == 0 else ANSWER

    class Handler(grpc.GenericRpcHandler):
        def service(self, details: Any) -> Any:
            if details.method != "/inference.GRPCInferenceService/ModelInfer":
                return None
            return grpc.unary_unary_rpc_method_handler(infer)

    options = {"few": [("grpc.max_concurrent_streams", 2)], "closing": [("grpc.max_connection_age_ms", 50)]}
    server = grpc.server(
        futures.ThreadPoolExecutor(4 if mode != "hang" else 64), [Handler()], options=options.get(mode, [])
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    os._exit(0)


class Peer:
    """One connection, judged by h2."""

    def __init__(self, mode: str, sock: socket.socket) -> None:
        from h2.config import H2Configuration
        from h2.connection import H2Connection
        from h2.settings import SettingCodes

        self.mode = mode
        self.sock = sock
        self.bodies: dict[int, bytearray] = {}
        self.answered = 0
        self.connection = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.connection.initiate_connection()
        if mode == "judged":
            limits: dict[SettingCodes | int, int] = {
                SettingCodes.MAX_CONCURRENT_STREAMS: 3,
                SettingCodes.INITIAL_WINDOW_SIZE: 1000,
            }
            self.connection.update_settings(limits)
        if mode != "mute":
            self.send()

    def send(self) -> None:
        self.sock.sendall(self.connection.data_to_send())

    def received(self, data: bytes) -> None:
        for event in self.connection.receive_data(data):
            self.take(event)
        if self.mode not in ("mute", "silent"):
            self.send()

    def take(self, event: Any) -> None:
        from h2 import events

        if isinstance(event, events.RequestReceived):
            headers: dict[Any, Any] = dict(event.headers or [])
            assert headers[":path"] == "/inference.GRPCInferenceService/ModelInfer"
            assert headers["te"] == "trailers"
            self.bodies[event.stream_id] = bytearray()
            if self.mode == "early":
                self.answer(event.stream_id)
        elif isinstance(event, events.DataReceived):
            self.bodies[event.stream_id] += event.data
            self.connection.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
        elif isinstance(event, events.StreamEnded) and self.mode not in ("early", "mute", "silent"):
            self.ended(event.stream_id)

    def ended(self, stream: int) -> None:
        body = self.bodies.pop(stream)
        compressed, length = struct.unpack(">BL", body[:5])
        assert (compressed, length) == (0, len(body) - 5), "the message is not whole"
        assert length == int.from_bytes(body[5:9], "big"), "the message is another one's"
        self.answered += 1
        if self.mode == "goaway" and self.answered == 20:
            self.connection.close_connection(last_stream_id=stream)
            self.send()
            raise ConnectionAbortedError
        if self.mode == "rst":
            self.connection.reset_stream(stream, 2)
        elif self.mode == "flood":
            for _ in range(2000):
                self.connection.ping(b"are you?")
        else:
            self.answer(stream)

    def answer(self, stream: int) -> None:
        connection = self.connection
        if self.mode == "http":
            connection.send_headers(stream, [(":status", "503"), ("content-type", "text/html")], end_stream=True)
            return
        connection.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
        prefix = struct.pack(">BL", 0, len(ANSWER) + (self.mode == "prefix"))
        for part in pieces(prefix + ANSWER, 7 if self.mode == "judged" else 1000):
            connection.send_data(stream, part, pad_length=3 if self.mode == "judged" else None)
        if self.mode == "judged":
            connection.ping(b"are you?")
        if self.mode == "cut":
            self.send()
            raise ConnectionResetError
        if self.mode == "noend":
            connection.end_stream(stream)
        else:
            connection.send_headers(stream, [("grpc-status", "0"), ("grpc-message", "")], end_stream=True)


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    for begin in range(0, len(data), size):
        yield data[begin : begin + size]


def by_h2(mode: str) -> None:
    from h2.exceptions import ProtocolError

    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    peers: dict[socket.socket, Peer] = {}
    answered, wrong = 0, []
    while True:
        watched: list[Any] = [0, listener, *peers]
        ready, _, _ = select.select(watched, [], [])
        if 0 in ready:
            break
        for sock in ready:
            if sock is listener:
                accepted, _ = listener.accept()
                peers[accepted] = Peer(mode, accepted)
                continue
            try:
                data = sock.recv(1 << 16)
                peers[sock].received(data)
                gone = not data
            except OSError:
                gone = True
            except (ProtocolError, AssertionError, KeyError) as error:
                wrong.append(repr(error))
                gone = True
            if gone:
                answered += peers.pop(sock).answered
                sock.close()
    sys.stdout.write(f"{answered + sum(peer.answered for peer in peers.values())} {wrong}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    chosen = sys.argv[1]
    (by_grpcio if chosen in ("ok", "few", "status", "hang", "length", "large", "closing") else by_h2)(chosen)
