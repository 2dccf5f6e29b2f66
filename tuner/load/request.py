"""Requests as they go over the wire, prepared before the load."""

from __future__ import annotations

import re

from tuner.engine.protocol import Endpoint, HttpRequest
from tuner.errors import PermanentError

__all__ = ["wire_port", "wire_request"]

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET = re.compile(r"/[!-~]*")
_OURS = frozenset({"host", "content-length", "connection", "transfer-encoding"})


def wire_port(request: HttpRequest, endpoint: Endpoint) -> int:
    """The port that the request goes to."""
    return endpoint.ports.grpc if request.protocol == "grpc" else endpoint.ports.http


def wire_request(request: HttpRequest, endpoint: Endpoint) -> bytes:
    """Request line, headers and body of an HTTP/1.1 request on a connection that is kept open (RFC 9112).

    A gRPC call is written in the same words, its message with gRPC's prefix for a body; the sender makes frames of it.
    PermanentError where it is no request: anything that could break out of its line is refused.
    """
    if not _TOKEN.fullmatch(request.method) or not _TARGET.fullmatch(request.path):
        raise PermanentError(f"{request.method!r} {request.path!r} is no HTTP request line: mend the engine's requests")
    headers, body = request.headers, request.body
    if request.protocol == "grpc":
        own = {"content-type": "application/grpc", "te": "trailers"}
        headers = {name: value for name, value in headers.items() if name.lower() not in own} | own
        body = b"\0" + len(body).to_bytes(4, "big") + body
    lines = [f"{request.method} {request.path} HTTP/1.1", f"Host: {endpoint.host}:{wire_port(request, endpoint)}"]
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or any(ord(char) < 32 or ord(char) > 126 for char in value):
            raise PermanentError(f"{name!r}: {value!r} is no HTTP header: mend the engine's requests")
        if name.lower() not in _OURS:
            lines.append(f"{name}: {value}")
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + body
