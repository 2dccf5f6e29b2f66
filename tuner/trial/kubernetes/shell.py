"""A command inside a running container that is asked line by line, over one connection."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import stream
from websocket import WebSocketException

from tuner.errors import TemporaryError

__all__ = ["Shell"]


class Shell:
    """The command, started at the first question. Used by one thread at a time; others wait."""

    def __init__(
        self, source: client.ApiClient, namespace: str, pod: str, container: str, command: Sequence[str]
    ) -> None:
        self._source = source
        self._namespace = namespace
        self._pod = pod
        self._container = container
        self._command = list(command)
        self._lock = threading.Lock()
        self._session: Any = None
        self._over = False

    def ask(self, line: str, end: str, *, patience: float = 5.0) -> tuple[str, ...]:
        """Send a line; the lines of the answer up to the line ``end``. TemporaryError where none comes."""
        with self._lock:
            try:
                if self._over:
                    raise TemporaryError("the command has ended")
                if self._session is None:
                    self._session = self._open()
                self._session.write_stdin(f"{line}\n")
                return tuple(self._lines(end, time.monotonic() + patience))
            except (ApiException, WebSocketException, OSError, ValueError, AttributeError) as error:
                self._drop()
                raise TemporaryError(f"no command can be run in the pod {self._pod}: {error}") from error

    def close(self) -> None:
        """End the command; any number of times."""
        with self._lock:
            self._over = True
            self._drop()

    def _lines(self, end: str, deadline: float) -> list[str]:
        lines: list[str] = []
        while time.monotonic() < deadline and self._session.is_open():
            line = str(self._session.readline_stdout(timeout=max(0.01, deadline - time.monotonic())))
            if line == end:
                return lines
            if line:
                lines.append(line)
        raise OSError("it does not answer")

    def _open(self) -> Any:
        # A client of its own: opening a stream changes the client meanwhile, which other threads use.
        source = client.ApiClient(self._source.configuration)
        return stream(
            client.CoreV1Api(source).connect_get_namespaced_pod_exec,
            self._pod,
            self._namespace,
            container=self._container,
            command=self._command,
            stdin=True,
            stdout=True,
            stderr=False,
            tty=False,
            _preload_content=False,
            _request_timeout=10,
        )

    def _drop(self) -> None:
        if self._session is not None:
            with suppress(WebSocketException, OSError, AttributeError):
                self._session.close()
            self._session = None
