"""Structured logs that carry the campaign and the trace: for people on standard error, as JSON lines in a file."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Literal

import structlog
from opentelemetry import trace
from structlog.stdlib import BoundLogger, ProcessorFormatter
from structlog.types import EventDict, Processor

from tuner.errors import TemporaryError
from tuner.telemetry.redaction import redact_event

__all__ = ["campaign_log", "configure_logs", "logger"]

Level = Literal["debug", "info", "warning", "error"]

_ROOT = "tuner"


def _add_trace(_logger: Any, _method: str, event: EventDict) -> EventDict:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = trace.format_trace_id(context.trace_id)
        event["span_id"] = trace.format_span_id(context.span_id)
    return event


_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    _add_trace,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
)

structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        *_SHARED,
        ProcessorFormatter.wrap_for_formatter,
    ],
    wrapper_class=BoundLogger,
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=False,
)
# Silent until ``configure_logs``: a library that is merely imported writes nothing to standard error.
logging.getLogger(_ROOT).addHandler(logging.NullHandler())


def logger(name: str) -> BoundLogger:
    """The logger ``tuner.<name>``: ``logger("trial").info("what happened", trial=7)``."""
    bound: BoundLogger = structlog.stdlib.get_logger(f"{_ROOT}.{name}")
    return bound


def configure_logs(
    *, level: Level = "info", style: Literal["text", "json"] = "text", stream: IO[str] | None = None
) -> None:
    """Send the logs of tuner, and warnings of the libraries, to ``stream`` (default: standard error).

    Calling it again replaces the earlier destination. Secrets are taken out of every line.
    """
    target = sys.stderr if stream is None else stream
    handler = _Handler(target)
    handler.setLevel(level.upper())
    handler.setFormatter(_formatter(_json() if style == "json" else _text(colors=target.isatty())))
    _replace_handler(logging.getLogger(_ROOT), handler)
    _replace_handler(logging.getLogger(), handler, level=logging.WARNING)
    logging.getLogger(_ROOT).setLevel(level.upper())
    logging.getLogger(_ROOT).propagate = False


@contextmanager
def campaign_log(campaign: str, folder: Path | None = None) -> Iterator[None]:
    """Within it every line carries the campaign's id and goes to ``folder/tuner.log``, too (JSON, from info on).

    TemporaryError where the file cannot be opened. A disk that fills later loses lines, nothing else.
    """
    handler = None if folder is None else _file_handler(folder / "tuner.log")
    root = logging.getLogger(_ROOT)
    before = root.level
    if handler is not None:
        root.addHandler(handler)
        root.setLevel(min(before or logging.INFO, logging.INFO))
    try:
        with structlog.contextvars.bound_contextvars(campaign=campaign):
            yield
    finally:
        if handler is not None:
            root.removeHandler(handler)
            root.setLevel(before)
            handler.close()


class _Handler(logging.StreamHandler[IO[str]]):
    """A log that cannot be written is no reason to fail, nor to print a traceback."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        del record


class _FileHandler(logging.FileHandler):
    def close(self) -> None:
        with suppress(OSError):
            super().close()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        del record


def _file_handler(file: Path) -> logging.Handler:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handler = _FileHandler(file, encoding="utf-8")
    except OSError as error:
        raise TemporaryError(f"cannot write {file}: {error.strerror}", delay=5.0) from error
    handler.setFormatter(_formatter(_json()))
    return handler


def _replace_handler(target: logging.Logger, handler: logging.Handler, *, level: int | None = None) -> None:
    for old in [item for item in target.handlers if isinstance(item, _Handler)]:
        target.removeHandler(old)
    target.addHandler(handler)
    if level is not None:
        target.setLevel(level)


def _formatter(renderer: Processor) -> logging.Formatter:
    return ProcessorFormatter(
        foreign_pre_chain=list(_SHARED),
        processors=[
            ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            redact_event,
            renderer,
        ],
    )


def _json() -> Processor:
    return structlog.processors.JSONRenderer(ensure_ascii=False, sort_keys=True)


def _text(*, colors: bool) -> Processor:
    return structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=0)
