"""A server that computes nothing: ``python null_server.py MODE [LOG]``. Prints its port; ends with standard input.

Modes: ok, http10 (closes after each answer), chunked, slow (5 ms each, in order), stall (silent for 1 s after 0.5 s of
load), hang, status (500), length (one byte more in every tenth answer), short (half an answer, then closes), reset,
garbage, last (accepts 20 requests, then resets).
When it ends it writes the arrival time of every request (CLOCK_MONOTONIC, 8 bytes each) to LOG, and the most
connections that were open at a time to LOG.peak.
"""

from __future__ import annotations

import array
import os
import select
import socket
import struct
import sys
import time
from pathlib import Path

BODY = b'{"outputs":[1]}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n"
GOOD = HEAD % len(BODY) + BODY
ANSWERS = {
    "status": b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops",
    "http10": b"HTTP/1.0 200 OK\r\n\r\n" + BODY,
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n7;x=y\r\n1234567\r\n0\r\n\r\n",
    "garbage": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "short": HEAD % 1000 + BODY,
}


class Client:
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.left = 0
        self.begun = False


class NullServer:
    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.arrivals = array.array("d")
        self.clients: dict[int, Client] = {}
        self.poll = select.epoll()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.listener.setblocking(False)
        self.poll.register(self.listener, select.EPOLLIN)
        self.poll.register(0, select.EPOLLIN)
        self.busy_until = 0.0
        self.peak = 0
        self.late: list[tuple[float, Client]] = []

    def serve(self) -> None:
        sys.stdout.write(f"{self.listener.getsockname()[1]}\n")
        sys.stdout.flush()
        while True:
            for fd, _ in self.poll.poll(0.001 if self.late else 1.0):
                if fd == 0:
                    return
                if fd == self.listener.fileno():
                    self.accept()
                elif fd in self.clients:
                    self.read(self.clients[fd])
            while self.late and self.late[0][0] <= time.monotonic():
                self.send(self.late.pop(0)[1], GOOD)

    def accept(self) -> None:
        sock, _ = self.listener.accept()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.clients[sock.fileno()] = Client(sock)
        self.peak = max(self.peak, len(self.clients))
        self.poll.register(sock, select.EPOLLIN)

    def read(self, client: Client) -> None:
        try:
            data = client.sock.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close(client)
            return
        if not client.begun:
            self.arrivals.append(time.monotonic())
            client.begun = True
            head, _, body = data.partition(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            client.left = length - len(body)
        else:
            client.left -= len(data)
        if client.left <= 0:
            client.begun = False
            self.answer(client)

    def answer(self, client: Client) -> None:
        count, now = len(self.arrivals), time.monotonic()
        if self.mode == "hang":
            return
        if self.mode == "reset" or (self.mode == "last" and count > 20):
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close(client)
        elif self.mode == "slow":
            self.busy_until = max(self.busy_until, now) + 0.005
            self.late.append((self.busy_until, client))
        elif self.mode == "stall" and 0.5 <= now - self.arrivals[0] < 1.5:
            self.late.append((self.arrivals[0] + 1.5, client))
        elif self.mode == "length" and count % 10 == 0:
            self.send(client, HEAD % (len(BODY) + 1) + BODY + b" ")
        else:
            self.send(client, ANSWERS.get(self.mode, GOOD))
            if self.mode in ("http10", "short"):
                self.close(client)

    def send(self, client: Client, data: bytes) -> None:
        try:
            client.sock.send(data)
        except OSError:
            self.close(client)

    def close(self, client: Client) -> None:
        if client.sock.fileno() >= 0:
            self.clients.pop(client.sock.fileno(), None)
            self.poll.unregister(client.sock)
            client.sock.close()


if __name__ == "__main__":
    server = NullServer(sys.argv[1])
    try:
        server.serve()
    finally:
        if len(sys.argv) > 2:
            Path(sys.argv[2]).write_bytes(server.arrivals.tobytes())
            Path(f"{sys.argv[2]}.peak").write_text(str(server.peak))
        os._exit(0)
