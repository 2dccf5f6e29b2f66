"""No secret leaves this process in a log, a span or a report: it is replaced by ``[redacted]``."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

__all__ = ["REDACTED", "redact", "redact_event", "redact_value", "remember_secret", "secret_name"]

REDACTED = "[redacted]"

# ``max_tokens`` counts; ``token`` is a secret: only the singular, at the end.
_NAME = re.compile(
    r"(pass(word|wd|phrase)?|secret(s|_key)?|(^|[_-])token|credentials?|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|signing[_-]?key|authorization|(^|[_-])cookie|(^|[_-])pat|(^|[_-])auth)$",
    re.IGNORECASE,
)
_SHORTEST = 6
"""Shorter values of secret variables are not searched for: they would blank out ordinary text."""

_URL_USER = re.compile(r"\b([a-z][a-z0-9+.-]*://)[^\s/@'\"<>]+@", re.IGNORECASE)
_BEARER = re.compile(r"\b(bearer)\s+[\w.~+/=-]{8,}", re.IGNORECASE)
_HEADER = re.compile(r"\b((?:proxy-)?authorization|x-api-key|cookie)(['\"]?\s*[:=]\s*)['\"]?[^\r\n'\"]+", re.IGNORECASE)
_ASSIGNED = re.compile(
    r"\b([\w-]*(?:password|passwd|passphrase|secret|secret[_-]key|token|api[_-]?key|access[_-]?key))"
    r"(['\"]?\s*[=:]\s*)(?!\[redacted\])('[^']*'|\"[^\"]*\"|[^\s&,;'\"]+)",
    re.IGNORECASE,
)
_KNOWN = re.compile(
    r"\b(gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|AKIA[0-9A-Z]{16}|xox[abprs]-[\w-]{10,}|hf_[A-Za-z0-9]{20,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"
)
_PEM = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?(-----END \1-----|\Z)", re.DOTALL)


_remembered: deque[str] = deque(maxlen=256)
"""Secrets that came from files or were minted; the newest stay."""


def remember_secret(secret: str) -> None:
    """Take a secret out of everything that is written from now on, wherever it came from; short ones are not."""
    if len(secret) >= _SHORTEST and secret not in _remembered:
        _remembered.append(secret)


def secret_name(name: str) -> bool:
    """Whether a variable, key or header with this name holds a secret."""
    return _NAME.search(name) is not None


def redact(text: str, environment: Mapping[str, str] | None = None) -> str:
    """The text without secrets.

    They are: remembered ones, values of environment variables with secret names (by default this process's own), user
    information in URLs, bearer tokens, authorization headers, ``password=…``, private keys, well-known kinds of token.
    """
    for value in _secret_values(os.environ if environment is None else environment):
        text = text.replace(value, REDACTED)
    for value in tuple(_remembered):
        text = text.replace(value, REDACTED)
    text = _PEM.sub(REDACTED, text)
    text = _URL_USER.sub(rf"\1{REDACTED}@", text)
    text = _HEADER.sub(rf"\1\2{REDACTED}", text)
    text = _BEARER.sub(rf"\1 {REDACTED}", text)
    text = _ASSIGNED.sub(rf"\1\2{REDACTED}", text)
    return _KNOWN.sub(REDACTED, text)


def redact_value(name: str, value: Any) -> Any:
    """A value as it may be written under this name: containers are walked, numbers left as they are."""
    if isinstance(value, bool | None):
        return value
    if secret_name(name):
        return REDACTED
    if isinstance(value, int | float):
        return value
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact(str(key)): redact_value(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact_value(name, item) for item in value]
    return redact(str(value))


def redact_event(_logger: Any, _method: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """The processor for structlog; it stands right before the renderer, so that tracebacks pass it, too."""
    return {name: value if name.startswith("_") else redact_value(name, value) for name, value in event.items()}


def _secret_values(environment: Mapping[str, str]) -> tuple[str, ...]:
    pairs = tuple((name, value) for name, value in environment.items() if len(value) >= _SHORTEST)
    return _longest_first(pairs)


@lru_cache(maxsize=8)
def _longest_first(pairs: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """The longest first, so that a secret within another leaves no rest."""
    return tuple(sorted({value for name, value in pairs if secret_name(name)}, key=lambda value: (-len(value), value)))
