"""The null server in C answers every request with the same bytes and writes down when it came."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from testbed.null_server import BODY, NullServer, compiled
from tuner.errors import PermanentError

REQUEST = b"POST /a HTTP/1.1\r\nHost: x\r\ncontent-length: 5\r\n\r\nhello"


@pytest.fixture
def server() -> Iterator[NullServer]:
    with NullServer() as running:
        yield running


def answer(sock: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"x" * BODY):
        part = sock.recv(1000)
        assert part
        data += part
    return data


def test_each_request_is_answered_and_its_time_kept(server: NullServer) -> None:
    before = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        for _ in range(3):
            sock.sendall(REQUEST)
            assert answer(sock).startswith(b"HTTP/1.1 200 OK\r\n")
    after = time.monotonic()
    came = server.arrivals()
    assert len(came) == 3
    assert before < came[0] <= came[1] <= came[2] < after
    assert (np.diff(came) >= 0).all()


@pytest.mark.parametrize("cut", range(1, len(REQUEST), 7))
def test_a_request_may_come_in_pieces(server: NullServer, cut: int) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(REQUEST[:cut])
        with socket.create_connection(("127.0.0.1", server.port)) as other:
            other.sendall(b"GET / HTTP/1.1\r\n\r\n")
            answer(other)
        sock.sendall(REQUEST[cut:])
        answer(sock)
        sock.sendall(REQUEST)
        answer(sock)
    assert len(server.arrivals()) == 3


def test_bytes_that_are_no_request_close_the_connection(server: NullServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.sendall(b"x" * 20_000)
        with contextlib.suppress(ConnectionResetError):
            assert sock.recv(10) == b""
    assert len(server.arrivals()) == 1


def test_it_stalls_once_where_it_is_told_to() -> None:
    with NullServer(stall=(0.3, 0.0)) as server, socket.create_connection(("127.0.0.1", server.port)) as sock:
        taken = []
        for _ in range(3):
            begin = time.monotonic()
            sock.sendall(REQUEST)
            answer(sock)
            taken.append(time.monotonic() - begin)
    assert max(taken) >= 0.3
    assert sorted(taken)[1] < 0.3


def test_it_serves_one_request_after_the_other() -> None:
    with NullServer(service=0.1) as server:
        socks = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(3)]
        begin = time.monotonic()
        for sock in socks:
            sock.sendall(REQUEST)
        for sock in socks:
            answer(sock)
        assert time.monotonic() - begin >= 0.3
        for sock in socks:
            sock.close()


def test_it_is_compiled_once(tmp_path: Path) -> None:
    program = compiled(tmp_path)
    stamp = program.stat().st_mtime_ns
    assert compiled(tmp_path) == program
    assert program.stat().st_mtime_ns == stamp
    assert [file.name for file in program.parent.iterdir()] == ["null_server"]


def test_without_a_compiler_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PermanentError, match="install gcc"):
        compiled(tmp_path)
