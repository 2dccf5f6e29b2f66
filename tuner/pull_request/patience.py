"""Trying again: what a forge did not answer is asked again, after as long as it said; long waits are the caller's."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from tuner.errors import TemporaryError

__all__ = ["Patience"]

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Patience:
    """At most ``tries`` calls; a forge that asks for more than ``longest`` seconds gets no second one from here."""

    tries: int = 4
    longest: float = 20.0
    sleep: Callable[[float], None] = time.sleep

    def __call__(self, attempt: Callable[[], _Result]) -> _Result:
        """Call until it does not raise TemporaryError; the last one goes to the caller, with its ``delay``."""
        trying = Retrying(
            stop=stop_after_attempt(self.tries),
            wait=_wait,
            retry=retry_if_exception(self._worth_it),
            sleep=self.sleep,
            reraise=True,
        )
        return trying(attempt)

    def _worth_it(self, error: BaseException) -> bool:
        return isinstance(error, TemporaryError) and error.delay <= self.longest


_apart = wait_random_exponential(multiplier=0.25, max=8.0)


def _wait(state: RetryCallState) -> float:
    """Never less than what the forge asked for, and a little more, so that not all come back at once."""
    error = state.outcome.exception() if state.outcome else None
    return (error.delay if isinstance(error, TemporaryError) else 0.0) + _apart(state)
