"""What a forge's refusal means: wait, stop or mend; and how long to wait, as the forge says it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from tuner.errors import PermanentError, TemporaryError, TunerError
from tuner.repository.failure import ContendedError, readable

__all__ = ["refusal"]

_LIMITED = 60.0
"""Seconds to wait where a forge says that it was too much, but not for how long (GitHub's own advice)."""
_LONGEST = 300


def refusal(about: str, status: int, headers: Mapping[str, str], message: str) -> TunerError:
    """The error for an HTTP status that is no success; ``about`` names the forge, ``message`` is what it says."""
    told = {name.lower(): value for name, value in headers.items()}
    text = f"{about}: {readable(message)[:_LONGEST] or 'no reason given'} (HTTP {status})"
    if status == 429 or (status == 403 and _limited(told, message)):
        return TemporaryError(f"{text}: it asks to wait", delay=_wait(told, _LIMITED))
    if status >= 500 or status in (408, 425):
        return TemporaryError(f"{text}: it does not answer as it should", delay=_wait(told, 1.0))
    if status in (409, 423):
        return ContendedError(text)
    if status in (401, 403):
        return PermanentError(f"{text}: it does not accept the credentials for this; see docs/forges.md for the scopes")
    if status == 404:
        return PermanentError(f"{text}: it is not there, or the credentials may not see it")
    return PermanentError(text)


def _limited(headers: Mapping[str, str], message: str) -> bool:
    return "retry-after" in headers or headers.get("x-ratelimit-remaining") == "0" or "rate limit" in message.lower()


def _wait(headers: Mapping[str, str], otherwise: float) -> float:
    """Seconds: ``retry-after`` counts first, then the time of reset where nothing is left."""
    after = headers.get("retry-after", "")
    if after.isdigit():
        return float(after)
    if after:
        try:
            return max(0.0, parsedate_to_datetime(after).replace(tzinfo=UTC).timestamp() - time.time())
        except ValueError:
            return otherwise
    reset = headers.get("x-ratelimit-reset") or headers.get("ratelimit-reset") or ""
    left = headers.get("x-ratelimit-remaining") or headers.get("ratelimit-remaining")
    if left == "0" and reset.isdigit():
        return max(1.0, float(reset) - time.time())
    return otherwise
