"""Completions from a server without a model: ``python stream_server.py MODE``. Prints its port; ends with stdin.

A good answer has an event that names the role, five with text, 4 ms apart, one that says why it ended, and ``[DONE]``.
Modes: ok, pieces (3 bytes at a time, no chunk ends where an event does), joined (all in one chunk), lines (carriage
returns, comments, names), closing (no chunks, the connection ends), usage (the server counts 12 tokens), error, named
(an event named error), cut (the connection ends after two tokens), short (the chunks end after two tokens), stall
(silent after two tokens), noend (tokens without end), empty (no text), json (a 200 that is no stream), status (429),
big (an event without end), more (bytes after the end), garbage.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator

GAP = 0.004
WORDS = ("Once", ' "error": upon', " a\n", "\u00e9 time", '"text":"')
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n\r\n"


def event(delta: dict[str, str], reason: str | None = None, **more: object) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    told = {"id": "cmpl-1", "object": "chat.completion.chunk", "error": None, "choices": [choice], **more}
    return b"data: " + json.dumps(told).encode() + b"\n\n"


def answer(mode: str) -> Iterator[bytes]:
    """The body, in what is sent at a time."""
    yield event({"role": "assistant", "content": ""})
    if mode == "empty":
        yield b"data: [DONE]\n\n"
        return
    for count, word in enumerate(WORDS):
        time.sleep(GAP)
        if count == 2 and mode == "error":
            yield b'data: {"error": {"message": "out of memory", "code": 500}}\n\n'
        if count == 2 and mode == "named":
            yield b"event: error\ndata: out of memory\n\n"
        if count == 2 and mode in ("cut", "short"):
            return
        if count == 2 and mode == "stall":
            time.sleep(3600)
        yield event({"content": word})
    while mode == "noend":
        time.sleep(GAP)
        yield event({"content": "more"})
    yield event({}, "stop")
    if mode == "usage":
        yield event({}, usage={"prompt_tokens": 3, "completion_tokens": 12})
    yield b"data: [DONE]\n\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def stream(mode: str, sock: socket.socket) -> bool:
    """Send one answer; whether the connection goes on."""
    if mode == "closing":
        sock.sendall(HEAD + b"connection: close\r\n\r\n")
        for part in answer(mode):
            sock.sendall(part)
        return False
    sock.sendall(HEAD + CHUNKED)
    if mode == "big":
        while True:
            sock.sendall(chunk(b"data: " + b"x" * 65_536))
    if mode == "pieces":
        whole = b"".join(chunk(part) for part in cuts(b"".join(answer(mode)), 7))
        for part in cuts(whole, 3):
            sock.sendall(part)
    elif mode == "joined":
        sock.sendall(chunk(b"".join(answer(mode))))
    elif mode == "lines":
        for part in answer(mode):
            sock.sendall(chunk(b": ping\r\n\r\nevent: message\r\nid: 1\r\n" + part.replace(b"\n", b"\r\n")))
    else:
        for part in answer(mode):
            sock.sendall(chunk(part))
    if mode == "cut":
        return False
    sock.sendall(b"0\r\n\r\n" + (b"HTTP/1.1 200 OK\r\n" if mode == "more" else b""))
    return True


def cuts(data: bytes, size: int) -> Iterator[bytes]:
    for begin in range(0, len(data), size):
        yield data[begin : begin + size]


PLAIN = {
    "json": b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
    "status": b"HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
    "garbage": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
}


def serve(mode: str, sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    data, going = b"", True
    try:
        while going:
            while b"}" not in data:
                part = sock.recv(1 << 16)
                if not part:
                    return
                data += part
            data = b""
            if mode in PLAIN:
                sock.sendall(PLAIN[mode])
            else:
                going = stream(mode, sock)
    except OSError:
        return
    finally:
        sock.close()


def accept(mode: str, listener: socket.socket) -> None:
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve, args=(mode, sock), daemon=True).start()


if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    threading.Thread(target=accept, args=(sys.argv[1], listening), daemon=True).start()
    sys.stdin.read()
    os._exit(0)
