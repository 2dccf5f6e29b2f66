"""Leading, kept up by a thread of its own: no slow look or disk makes a leader forget to renew."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from tuner.errors import TunerError
from tuner.telemetry.logs import logger
from tuner.watch.lease import Election, Term

__all__ = ["Leadership"]

_EVERY = 1 / 4
"""Of the lease's time, between renewals."""
_USABLE = 2 / 3
"""Of the lease's time, how long a term is trusted: what is begun then ends before another replica may lead."""

_log = logger("watch")


class Leadership:
    """Stands for election again and again; ``renewed`` is called, in the thread, after every time that it was won."""

    def __init__(self, election: Election, seconds: float, renewed: Callable[[], None] = lambda: None) -> None:
        self._election = election
        self._seconds = seconds
        self._renewed = renewed
        self._term: Term | None = None
        self._failing = False
        self._stood = time.monotonic()
        self._stop = threading.Event()
        self._settled = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leader", daemon=True)

    def start(self) -> None:
        """Stand for election from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Resign and stand no more."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(self._seconds)
        self._term = None
        self._election.resign()

    def settled(self, timeout: float) -> bool:
        """Wait until the first election is over."""
        return self._settled.wait(timeout)

    @property
    def term(self) -> Term | None:
        """The term, while it can be relied on; None where another replica leads or none is known to."""
        term = self._term
        trusted = term is not None and time.monotonic() < term.until - self._seconds * (1 - _USABLE)
        return term if trusted else None

    @property
    def failing(self) -> bool:
        """Whether the last election could not be held, or none in a lease's time: the lease's place does not answer."""
        return self._failing or time.monotonic() - self._stood > self._seconds

    def _run(self) -> None:
        while not self._stop.is_set():
            self._stand()
            self._stood = time.monotonic()
            self._settled.set()
            self._stop.wait(self._seconds * _EVERY)

    def _stand(self) -> None:
        led = self._term is not None
        try:
            self._term = self._election.stand()
        except TunerError as error:
            if not self._failing:
                _log.warning("the lease cannot be renewed", reason=str(error))
            self._failing = True
            return
        self._failing = False
        if self._term is not None:
            if not led:
                _log.info("this replica leads", fence=self._term.fence)
            self._renewed()
        elif led:
            _log.warning("another replica leads now")
