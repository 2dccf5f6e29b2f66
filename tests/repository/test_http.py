"""A remote that asks for a name and a token, served by git's own HTTP server program on this machine."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.repository.conftest import Plain
from tuner.errors import PermanentError
from tuner.repository.address import Access
from tuner.repository.repository import Repository

TOKEN = "s3cret-token"


class GitServer(BaseHTTPRequestHandler):
    """Hands each request with the right credentials to ``git http-backend``."""

    root = ""
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        expected = base64.b64encode(f"tuner:{TOKEN}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {expected}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": self.root,
            "GIT_HTTP_EXPORT_ALL": "1",
            "REMOTE_USER": "tuner",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True, check=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815  # the name that http.server looks for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as in http.server
        pass


@pytest.fixture
def url(bare: Plain) -> Iterator[str]:
    handler = type("Handler", (GitServer,), {"root": str(bare.folder.parent)})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/bare.git"
        server.shutdown()
        thread.join()


def test_a_token_is_handed_over_just_before_each_use_and_stored_nowhere(url: str, bare: Plain, tmp_path: Path) -> None:
    asked = []

    def access() -> Access:
        asked.append(True)
        return Access("tuner", TOKEN)

    with Repository.clone(url, tmp_path / "clone.git", access=access) as clone:
        assert clone.snapshot("main").files()
        sha = clone.commit(
            parent=clone.resolve("main"), changes={"a": b"1"}, message="m", date=datetime(2025, 1, 1, tzinfo=UTC)
        )
        before = len(asked)
        clone.push("tuner/x", sha, expected=None)
        assert len(asked) > before
        assert bare.git("rev-parse", "tuner/x") == sha
        assert TOKEN not in repr(clone)
    stored = [path for path in (tmp_path / "clone.git").rglob("*") if path.is_file()]
    assert not [path for path in stored if TOKEN.encode() in path.read_bytes()]


@pytest.mark.parametrize("token", [None, "wrong-token"])
def test_a_missing_or_wrong_token_is_said_without_repeating_it(url: str, tmp_path: Path, token: str | None) -> None:
    access = None if token is None else lambda: Access("tuner", str(token))
    with pytest.raises(PermanentError, match="credentials") as caught:
        Repository.clone(url, tmp_path / "clone.git", access=access)
    assert "wrong-token" not in str(caught.value)
    assert not (tmp_path / "clone.git").exists()
