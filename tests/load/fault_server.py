"""HTTP servers that go wrong: ``python fault_server.py MODE``. Prints its port; ends with standard input.

Modes: drip (a byte every 20 ms), endless (a body without length or end), huge (a body of 10 GB), heads (a head without
end), deaf (takes no connection from its queue), unread (takes connections and reads nothing), early (answers and closes
before the body has come), twice (answers each request twice), hint (a 103 before the answer), shape (a good answer of
another length), once (closes after each answer without saying so), half (ends its own side after half an answer).
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n" + b"x" * 15
BLOCK = b"x" * 65_536


def answer(mode: str, sock: socket.socket) -> None:
    if mode == "drip":
        for byte in GOOD:
            sock.sendall(bytes([byte]))
            time.sleep(0.02)
    elif mode in ("endless", "huge"):
        length = b"" if mode == "endless" else b"Content-Length: 10000000000\r\n"
        sock.sendall(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n")
        while True:
            sock.sendall(BLOCK)
    elif mode == "heads":
        sock.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            sock.sendall(b"X: y\r\n" * 1000)
    elif mode == "half":
        sock.sendall(GOOD[:-5])
        sock.shutdown(socket.SHUT_WR)
        time.sleep(3600)
    else:
        hint = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" if mode == "hint" else b""
        shaped = GOOD.replace(b": 15", b": 16") + b"x" if mode == "shape" else GOOD
        sock.sendall(hint + shaped * (2 if mode == "twice" else 1))


def serve(mode: str, sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        while mode == "unread":
            time.sleep(3600)
        going = True
        while going:
            data = sock.recv(1 << 16)
            if mode != "early":
                head, _, body = data.partition(b"\r\n\r\n")
                left = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0) - len(body)
                while data and left > 0:
                    data = sock.recv(min(left, 1 << 16))
                    left -= len(data)
            if not data:
                return
            answer(mode, sock)
            going = mode not in ("early", "once")
    except OSError:
        return
    finally:
        sock.close()


def accept(mode: str, listener: socket.socket) -> None:
    while mode != "deaf":
        sock, _ = listener.accept()
        threading.Thread(target=serve, args=(mode, sock), daemon=True).start()


if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", 0), backlog=16 if sys.argv[1] == "deaf" else 1024)
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    threading.Thread(target=accept, args=(sys.argv[1], listening), daemon=True).start()
    sys.stdin.read()
    os._exit(0)
