"""A server that computes nothing, to find out what the generator itself can do.

``python -m tuner.load.null_server`` prints its port on 127.0.0.1, reads the size of a request from standard input, and
ends with it. It reads nothing of a request: after each so many bytes on a connection it sends the same answer.
"""

from __future__ import annotations

import select
import socket
import sys

__all__ = ["ANSWER", "BODY", "main"]

BODY = 16
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n%s" % (
    BODY,
    b"x" * BODY,
)
RECEIVE = 1 << 18
EVENTS = 256


def main() -> int:
    """Serve until standard input ends."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    _serve(listener, int(sys.stdin.readline()))
    return 0


def _serve(listener: socket.socket, size: int) -> None:
    poll, clients, come = select.epoll(), dict[int, socket.socket](), dict[int, int]()
    poll.register(0, select.EPOLLIN)
    poll.register(listener, select.EPOLLIN)
    while True:
        for fd, _ in poll.poll(-1, EVENTS):
            if fd == 0:
                return
            if fd == listener.fileno():
                sock, _ = listener.accept()
                sock.settimeout(0.0)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                clients[sock.fileno()], come[sock.fileno()] = sock, 0
                poll.register(sock, select.EPOLLIN)
                continue
            try:
                data = clients[fd].recv(RECEIVE)
                answers, come[fd] = divmod(come[fd] + len(data), size)
                if answers:
                    clients[fd].send(ANSWER * answers)
            except BlockingIOError:
                continue
            except OSError:
                data = b""
            if not data:
                poll.unregister(fd)
                clients.pop(fd).close()


if __name__ == "__main__":
    sys.exit(main())
