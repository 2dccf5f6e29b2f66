"""The service's two small web applications (WSGI): webhooks, and what monitoring asks for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from prometheus_client.exposition import choose_encoder

from tuner.telemetry.logs import logger
from tuner.watch.bell import Bell
from tuner.watch.configuration import Watched
from tuner.watch.limit import RateLimit
from tuner.watch.metrics import Metrics
from tuner.watch.webhook import MalformedError, concerned, is_genuine

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["monitoring", "webhooks"]

HOOK = "/webhook"
_log = logger("watch")


def webhooks(
    watched: Sequence[Watched], secret: bytes, limit: RateLimit, bell: Bell, metrics: Metrics
) -> WSGIApplication:
    """``POST /webhook``: 202 for whoever knows the secret, whether or not the repository is watched."""

    def answer(environment: WSGIEnvironment) -> tuple[HTTPStatus, str]:
        if environment.get("PATH_INFO") != HOOK:
            return HTTPStatus.NOT_FOUND, ""
        if environment.get("REQUEST_METHOD") != "POST":
            return HTTPStatus.METHOD_NOT_ALLOWED, ""
        if not limit.allows(str(environment.get("REMOTE_ADDR", ""))):
            return HTTPStatus.TOO_MANY_REQUESTS, "limited"
        body = environment["wsgi.input"].read(int(environment.get("CONTENT_LENGTH") or 0))
        if not is_genuine(_headers(environment), body, secret):
            _log.warning("a webhook is not signed with the secret", sender=environment.get("REMOTE_ADDR", ""))
            return HTTPStatus.UNAUTHORIZED, "unsigned"
        try:
            names = concerned(body, watched)
        except MalformedError:
            return HTTPStatus.BAD_REQUEST, "malformed"
        bell.ring(*names)
        return HTTPStatus.ACCEPTED, "accepted" if names else "unknown"

    def application(environment: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        status, outcome = answer(environment)
        if outcome:
            metrics.webhooks.labels(outcome).inc()
        return _respond(start, status, "text/plain; charset=utf-8", f"{status.phrase}\n".encode())

    return application


def monitoring(metrics: Metrics, health: Callable[[], Mapping[str, str]], ready: Callable[[], bool]) -> WSGIApplication:
    """``/metrics``, ``/healthz`` (what is wrong with this process; 503 where something is) and ``/readyz``."""

    def application(environment: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if environment.get("REQUEST_METHOD") not in ("GET", "HEAD"):
            return _respond(start, HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", b"")
        match environment.get("PATH_INFO"):
            case "/metrics":
                encode, content_type = choose_encoder(environment.get("HTTP_ACCEPT", ""))
                return _respond(start, HTTPStatus.OK, content_type, encode(metrics.registry))
            case "/healthz":
                return _told(start, dict(health()))
            case "/readyz":
                return _told(start, {} if ready() else {"service": "not ready"})
            case _:
                return _respond(start, HTTPStatus.NOT_FOUND, "text/plain", b"")

    return application


def _told(start: StartResponse, wrong: Mapping[str, str]) -> Iterable[bytes]:
    status = HTTPStatus.SERVICE_UNAVAILABLE if wrong else HTTPStatus.OK
    document: dict[str, Any] = {"status": "wrong" if wrong else "ok", **({"wrong": dict(wrong)} if wrong else {})}
    return _respond(start, status, "application/json", json.dumps(document).encode() + b"\n")


def _headers(environment: WSGIEnvironment) -> Mapping[str, str]:
    return {
        key.removeprefix("HTTP_").lower().replace("_", "-"): str(value)
        for key, value in environment.items()
        if key.startswith("HTTP_")
    }


def _respond(start: StartResponse, status: HTTPStatus, content_type: str, body: bytes) -> Iterable[bytes]:
    headers = [
        ("Content-Type", content_type),
        ("Content-Length", str(len(body))),
        ("X-Content-Type-Options", "nosniff"),
    ]
    start(f"{status.value} {status.phrase}", headers)
    return [body]
