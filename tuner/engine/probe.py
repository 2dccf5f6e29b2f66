"""Small questions to a server on the loopback: is it ready, what does it count."""

from __future__ import annotations

import http.client

from tuner.engine.protocol import Endpoint

__all__ = ["fetch"]

_TIMEOUT = 2.0


def fetch(endpoint: Endpoint, path: str, *, port: int | None = None) -> bytes | None:
    """The body of a 200 answer to GET, or ``None`` for anything else. Never raises; waits 2 s at most."""
    connection = http.client.HTTPConnection(endpoint.host, port or endpoint.ports.http, timeout=_TIMEOUT)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return body if answer.status == 200 else None
