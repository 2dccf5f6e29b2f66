"""Serving a small web application to whoever connects: waitress, with limits on everything that a client may send."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from waitress.channel import HTTPChannel
from waitress.server import create_server
from waitress.wasyncore import close_all

from tuner.errors import PermanentError
from tuner.watch.listening import host_and_port

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["MOST_BODY", "WebServer"]

MOST_BODY = 2 << 20
"""Bytes of a request's body; a webhook that is larger is refused, and the next poll finds what it was about."""
_MOST_HEADER = 32 << 10
_CONNECTIONS = 200
_PATIENCE = 10
"""Seconds that a whole request may take to arrive, however steadily it drips."""


class _Channel(HTTPChannel):
    """A connection whose time counts from a request's first byte: a client that drips does not hold it."""

    def handle_read(self) -> None:
        began, partial = self.last_activity, self.request is not None
        super().handle_read()
        if partial and self.request is not None:
            self.last_activity = began


class WebServer:
    """An application on a host and port, in threads of its own, between ``with`` and its end."""

    def __init__(self, application: WSGIApplication, listen: str, *, name: str, patience: float = _PATIENCE) -> None:
        """Bind. PermanentError where the address is taken or not this machine's."""
        host, port = host_and_port(listen)
        self._map: dict[int, Any] = {}
        try:
            made = create_server(
                application,
                map=self._map,
                host=host,
                port=port,
                threads=4,
                ident="",
                connection_limit=_CONNECTIONS,
                backlog=_CONNECTIONS,
                channel_timeout=patience,
                cleanup_interval=1,
                max_request_body_size=MOST_BODY,
                max_request_header_size=_MOST_HEADER,
                asyncore_loop_timeout=1,
                expose_tracebacks=False,
                clear_untrusted_proxy_headers=True,
            )
        except OSError as error:
            close_all(self._map)
            raise PermanentError(f"cannot listen on {listen}: {error.strerror or error}") from error
        server: Any = made
        server.channel_class = _Channel
        self._server = server
        self._thread = threading.Thread(target=self._server.run, name=name, daemon=True)

    @property
    def port(self) -> int:
        """The port, also where the system chose it."""
        return int(self._server.effective_port)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.trigger.pull_trigger(self._close)
        self._thread.join(5.0)
        self._server.task_dispatcher.shutdown(timeout=1)

    def _close(self) -> None:
        """In the server's own thread, as its loop demands."""
        for channel in list(self._server.active_channels.values()):
            channel.handle_close()
        self._server.close()
