"""OpenTelemetry spans over campaign → step → trial → probe. Off, a span costs some ten microseconds."""

from __future__ import annotations

import atexit
import logging
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import IO, Literal
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.trace import Span, Status, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue

from tuner.errors import UserError
from tuner.telemetry.logs import logger
from tuner.telemetry.redaction import redact, redact_value

__all__ = ["Exporter", "configure_tracing", "flush", "span", "tracer"]

Exporter = Literal["none", "console", "otlp"]

_EXPORT_TIMEOUT = 5.0
_FLUSH_TIMEOUT = 3.0
_log = logger("telemetry")


class _Switch(SpanProcessor):
    """The one processor of the one provider (the API allows only one a process): what it leads to may change."""

    def __init__(self) -> None:
        self.target: SpanProcessor | None = None

    def on_start(self, span: SdkSpan, parent_context: Context | None = None) -> None:
        if self.target is not None:
            self.target.on_start(span, parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        if self.target is not None:
            self.target.on_end(span)


_switch = _Switch()
_installed = False


def tracer() -> Tracer:
    """The tracer of tuner, through the API: it does nothing until ``configure_tracing`` turned it on."""
    return trace.get_tracer("tuner")


@contextmanager
def span(name: str, attributes: Mapping[str, AttributeValue] | None = None) -> Iterator[Span]:
    """Put a span around a piece of work.

    As in ``with span("trial", {"tuner.trial.number": 7}):``. Secrets are taken out of the attributes; an exception
    marks the span as failed, with its message, and goes on.
    """
    with tracer().start_as_current_span(name, record_exception=False, set_status_on_exception=False) as current:
        if current.is_recording():
            current.set_attributes({key: redact_value(key, value) for key, value in (attributes or {}).items()})
        try:
            yield current
        except BaseException as error:
            current.set_status(Status(StatusCode.ERROR, redact(f"{type(error).__name__}: {error}")))
            raise


def configure_tracing(
    exporter: Exporter = "none",
    *,
    endpoint: str | None = None,
    attributes: Mapping[str, AttributeValue] | None = None,
    stream: IO[str] | None = None,
) -> None:
    """Send spans nowhere, to ``stream`` (default: standard error; one JSON object a line), or to an OTLP collector.

    ``endpoint`` is the collector's base URL or its full traces URL (OTLP over HTTP); without it the standard
    ``OTEL_EXPORTER_OTLP_*`` variables count, then ``http://localhost:4318``. ``attributes`` join the resource beside
    ``service.*`` and ``OTEL_RESOURCE_ATTRIBUTES``; those of the first call in a process stay. Calling it again
    flushes and replaces the earlier exporter. UserError for a URL that is none.
    """
    target = _processor(exporter, endpoint, stream)
    flush()
    if target is not None:
        _install(attributes or {})
    _switch.target = target


def flush(timeout: float = _FLUSH_TIMEOUT) -> bool:
    """Deliver what is left and turn the exporter off; False where that took longer than ``timeout`` seconds.

    Runs at exit by itself. Never raises, and never waits longer, however the collector behaves.
    """
    target, _switch.target = _switch.target, None
    if target is None:
        return True
    # A daemon: at exit nobody waits for it any longer than here.
    worker = threading.Thread(target=target.shutdown, name="flush-spans", daemon=True)
    worker.start()
    worker.join(timeout)
    return not worker.is_alive()


def _processor(exporter: Exporter, endpoint: str | None, stream: IO[str] | None) -> SpanProcessor | None:
    if exporter == "none":
        return None
    if exporter == "console":
        out = sys.stderr if stream is None else stream
        return SimpleSpanProcessor(
            ConsoleSpanExporter(out=out, formatter=lambda item: f"{item.to_json(indent=None)}\n")
        )
    url = None if endpoint is None else _traces_url(endpoint)
    return BatchSpanProcessor(OTLPSpanExporter(endpoint=url, timeout=_EXPORT_TIMEOUT))


def _traces_url(endpoint: str) -> str:
    try:
        parts = urlsplit(endpoint)
        valid = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid:
        raise UserError.of(
            f"{redact(endpoint)!r} is not the address of an OTLP collector",
            "write its HTTP address, for example http://localhost:4318",
        )
    return endpoint if parts.path.strip("/") else f"{endpoint.rstrip('/')}/v1/traces"


def _install(attributes: Mapping[str, AttributeValue]) -> None:
    global _installed
    if _installed:
        return
    resource = Resource.create(
        {
            "service.name": "tuner",
            "service.version": _version(),
            "service.instance.id": str(uuid.uuid4()),
            **{key: redact_value(key, value) for key, value in attributes.items()},
        }
    )
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(_switch)
    trace.set_tracer_provider(provider)
    atexit.register(flush)
    _quiet_exporter()
    _installed = True


def _version() -> str:
    try:
        return version("tuner")
    except PackageNotFoundError:
        return "unknown"


class _Once(logging.Handler):
    """What the exporter complains about, in one line, once: traces are worth a word, not a flood or a traceback."""

    _said = False

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR and not self._said:
            self._said = True
            _log.warning("traces are not delivered", reason=record.getMessage())


def _quiet_exporter() -> None:
    library = logging.getLogger("opentelemetry")
    library.propagate = False
    library.addHandler(_Once())
