"""The Kubernetes API as this room needs it: JSON objects by their path, each refusal told by what to do next.

Objects stay JSON: a pod's template reaches the cluster as Git describes it, whatever fields this client's models know.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

from kubernetes import client, config
from kubernetes.config.config_exception import ConfigException
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError
from urllib3.util import Timeout

from tuner.errors import PermanentError, TemporaryError, UserError
from tuner.telemetry.redaction import redact

__all__ = ["Api", "Listing", "Watch", "connect"]

MANAGER = "tuner"
PAGE = 100
"""Objects asked for at once."""
_PATIENCE = 10.0
_WATCH = 300
"""Seconds after which the server ends a watch, which is then opened again."""

Json = dict[str, Any]


def connect(kubeconfig: str | None = None, context: str | None = None) -> client.ApiClient:
    """A client of the cluster that this process runs in, or of the kubeconfig (a file, or the user's own).

    PermanentError where there is neither.
    """
    try:
        if kubeconfig is None and context is None:
            with suppress(ConfigException):
                inside = client.Configuration()
                config.load_incluster_config(client_configuration=inside)  # type: ignore[no-untyped-call]
                return client.ApiClient(inside)
        return config.new_client_from_config(config_file=kubeconfig, context=context)  # type: ignore[no-any-return,no-untyped-call]
    except (ConfigException, OSError) as error:
        raise PermanentError(f"no Kubernetes cluster can be reached: {error}") from error


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of a list. ``now`` is the API server's clock, in seconds since the epoch."""

    items: tuple[Json, ...]
    version: str
    following: str
    now: float


class Api:
    """One cluster. Every method raises TemporaryError where the API server does not answer or asks to come again.

    PermanentError where it refuses who we are or what we may do, UserError where it refuses what a manifest says.
    ``calls`` counts the requests.
    """

    def __init__(self, source: client.ApiClient) -> None:
        self.source = source
        self.calls = 0
        self._counting = threading.Lock()

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Json | None:
        """The object, ``None`` where there is none."""
        found = self._json("GET", path, query=query, accepted=(404,))
        return found if found is None or found.get("kind") != "Status" else None

    def text(self, path: str, query: Mapping[str, str]) -> str:
        """The answer as text: a log; empty where there is none."""
        answer = self._send("GET", path, query=query)
        raw = answer.data
        return raw.decode(errors="replace") if answer.status == 200 else ""

    def create(self, path: str, body: Json) -> Json | None:
        """The new object, ``None`` where one of that name exists."""
        return self._json("POST", path, body=body, accepted=(409,))

    def apply(self, path: str, body: Json) -> Json:
        """Server-side apply: the object is as ``body`` says afterwards, and what it does not say is others' own."""
        query = {"fieldManager": MANAGER, "force": "true"}
        found = self._json("PATCH", path, body=body, query=query, content="application/apply-patch+yaml")
        return found or {}

    def replace(self, path: str, body: Json) -> Json | None:
        """The object as written; ``None`` where somebody else has changed or removed it since it was read."""
        return self._json("PUT", path, body=body, accepted=(404, 409))

    def delete(self, path: str, *, propagation: str = "Background", grace: int | None = None, uid: str = "") -> bool:
        """Begin to remove the object, of this ``uid`` only where one is given; whether there was one."""
        options: Json = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        if uid:
            options["preconditions"] = {"uid": uid}
        return self._json("DELETE", path, body=options, accepted=(404, 409)) is not None

    def page(self, path: str, query: Mapping[str, str], following: str = "") -> Listing:
        """One page of the objects that match."""
        asked = {**query, "limit": str(PAGE), **({"continue": following} if following else {})}
        answer = self._send("GET", path, query=asked)
        found = self._read(answer, ())
        meta = (found or {}).get("metadata") or {}
        items = tuple((found or {}).get("items") or ())
        version, rest = str(meta.get("resourceVersion") or ""), str(meta.get("continue") or "")
        return Listing(items, version, rest, _date(answer))

    def watch(self, path: str, query: Mapping[str, str], version: str, *, seconds: int = _WATCH) -> Watch:
        """What happens to the objects that match, from that version on; the server ends it after ``seconds``."""
        asked = {**query, "watch": "true", "resourceVersion": version, "timeoutSeconds": str(seconds)}
        return Watch(self._open(path, asked))

    def _open(self, path: str, query: Mapping[str, str]) -> BaseHTTPResponse:
        answer = self._send("GET", path, query=query, stream=True)
        if answer.status != 200:
            answer.read()
            self._read(answer, ())
        return answer

    def _json(
        self,
        method: str,
        path: str,
        *,
        body: Json | None = None,
        query: Mapping[str, str] | None = None,
        content: str = "application/json",
        accepted: tuple[int, ...] = (),
    ) -> Json | None:
        return self._read(self._send(method, path, body=body, query=query, content=content), accepted)

    def _read(self, answer: BaseHTTPResponse, accepted: tuple[int, ...]) -> Json | None:
        try:
            found = json.loads(answer.data)
        except ValueError:
            found = {}
        if answer.status in accepted:
            return None
        if not 200 <= answer.status < 300:
            raise _refusal(answer.status, str(found.get("message") or answer.reason), found.get("reason"))
        return dict(found)

    def _send(
        self,
        method: str,
        path: str,
        *,
        body: Json | None = None,
        query: Mapping[str, str] | None = None,
        content: str = "application/json",
        stream: bool = False,
    ) -> BaseHTTPResponse:
        with self._counting:
            self.calls += 1
        settings = self.source.configuration
        headers = {"Content-Type": content, "Accept": "application/json", "User-Agent": MANAGER}
        for each in settings.auth_settings().values():
            if each["in"] == "header" and each["value"]:
                headers[each["key"]] = each["value"]
        url = f"{settings.host}{path}{f'?{urlencode(query)}' if query else ''}"
        timeout = Timeout(connect=_PATIENCE, read=_WATCH + _PATIENCE if stream else _PATIENCE)
        try:
            answer: BaseHTTPResponse = self.source.rest_client.pool_manager.request(
                method,
                url,
                body=None if body is None else json.dumps(body).encode(),
                headers=headers,
                timeout=timeout,
                retries=False,
                preload_content=not stream,
            )
        except (HTTPError, OSError) as error:
            raise TemporaryError(f"the Kubernetes API does not answer: {type(error).__name__}", delay=2.0) from error
        return answer


class Watch:
    """An open watch: yields (``ADDED``, ``MODIFIED``, ``DELETED``, ``BOOKMARK``), object. ``close`` from any thread.

    It ends when the server ends it, when the connection breaks and when it is closed: whoever follows opens another.
    """

    def __init__(self, answer: BaseHTTPResponse) -> None:
        self._answer = answer
        self._closed = False

    def __iter__(self) -> Iterator[tuple[str, Json]]:
        rest = b""
        try:
            for chunk in self._answer.stream(None, decode_content=True):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if line.strip():
                        event = json.loads(line)
                        yield str(event["type"]), dict(event["object"])
        except (HTTPError, OSError, ValueError, KeyError, AttributeError):
            return  # broken off, or closed by another thread
        finally:
            self._answer.close()

    def close(self) -> None:
        """End it, also where another thread waits for its next event."""
        if not self._closed:
            self._closed = True
            with suppress(HTTPError, OSError, ValueError, RuntimeError, AttributeError):
                self._answer.shutdown()


def _date(answer: BaseHTTPResponse) -> float:
    try:
        return parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return 0.0


def _refusal(status: int, message: str, reason: object) -> Exception:
    told = redact(message)
    if status == 403 and "exceeded quota" in message:
        return TemporaryError(f"quota refused: {told}", delay=10.0)
    if status == 403 and reason == "Forbidden" and ("violates PodSecurity" in message or "maximum" in message):
        return UserError.of(f"the namespace forbids this pod: {told}", "change the manifest, or the namespace's rules")
    if status == 403 and "being terminated" in message:
        return TemporaryError(f"the namespace is being deleted: {told}", delay=10.0)
    if status in (401, 403):
        return PermanentError(f"the Kubernetes API refuses: {told}")
    if status == 404:
        return PermanentError(f"the Kubernetes API does not know that: {told}")
    if status in (400, 422):
        return UserError.of(f"the Kubernetes API refuses the manifest: {told}", "correct the manifest")
    return TemporaryError(f"the Kubernetes API answers {status}: {told}", delay=2.0)
