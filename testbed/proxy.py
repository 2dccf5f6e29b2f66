"""A proxy on loopback between tuner and a real forge, which does to each request what a test or a bench asks for.

Only the outage is made up: what is let through reaches the real server, and its answer comes back unchanged.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from urllib.parse import urlsplit

__all__ = ["Asked", "CutError", "Proxy", "Reply", "proxy_to"]

_LIMIT = 120.0
_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "expect"})


class CutError(Exception):
    """Raised by what interferes: the connection ends without an answer."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    method: str
    path: str
    body: bytes = field(repr=False)

    @property
    def writes(self) -> bool:
        """Whether it changes something on the server."""
        reads = self.method in ("GET", "HEAD") or self.path.endswith("/git-upload-pack")
        return not reads


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that the proxy gives itself."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b'{"message": "made up by the proxy"}'


def _pass(_: Asked) -> Reply | None:
    return None


@dataclass(slots=True)
class Proxy:
    """``before`` is asked when a request comes, ``after`` when the server has answered it.

    Each may take its time, raise CutError, or give another answer, and may be replaced at any time.
    """

    url: str
    before: Callable[[Asked], Reply | None] = _pass
    after: Callable[[Asked], Reply | None] = _pass
    seen: list[tuple[Asked, int]] = field(default_factory=list)
    """Requests that the server answered, with the status; what was interfered with before is not among them."""
    made_up: int = 0
    """Requests that were interfered with."""

    def clear(self) -> None:
        """Let everything through from now on."""
        self.before = self.after = _pass


@contextmanager
def proxy_to(server: str) -> Iterator[Proxy]:
    """A proxy before the server at that ``http://`` address, on a free port."""
    target = urlsplit(server)

    class Handler(BaseHTTPRequestHandler):
        timeout = _LIMIT

        def _serve(self) -> None:
            self.close_connection = True
            asked = Asked(self.command, self.path, _body(self.headers, self.rfile))
            try:
                reply = proxy.before(asked)
                if reply is None:
                    reply = self._forwarded(asked)
                else:
                    proxy.made_up += 1
                self._answer(reply)
            except CutError:
                proxy.made_up += 1
            except OSError:  # whoever asked was killed, or the server was: either sees its connection end
                pass

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - the base class's names

        def _forwarded(self, asked: Asked) -> Reply:
            connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=_LIMIT)
            try:
                headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
                connection.request(asked.method, asked.path, asked.body or None, headers)
                answer = connection.getresponse()
                content = answer.read()
                proxy.seen.append((asked, answer.status))
                kept = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
            except http.client.HTTPException as error:
                raise CutError from error
            finally:
                connection.close()
            instead = proxy.after(asked)
            if instead is not None:
                proxy.made_up += 1
            return instead or Reply(answer.status, kept, content)

        def _answer(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
            del format, arguments

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        listening.daemon_threads = True
        proxy = Proxy(f"http://127.0.0.1:{listening.server_address[1]}")
        thread = threading.Thread(target=listening.serve_forever, name="proxy", daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            listening.shutdown()
            thread.join()


def _body(headers: Message, stream: BufferedIOBase) -> bytes:
    if "chunked" in (headers.get("Transfer-Encoding") or "").lower():
        return b"".join(_chunks(stream))
    return stream.read(int(headers.get("Content-Length") or 0))


def _chunks(stream: BufferedIOBase) -> Iterator[bytes]:
    while size := int(stream.readline().partition(b";")[0], 16):
        yield stream.read(size)
        stream.readline()
    while stream.readline().strip():  # trailers
        pass
