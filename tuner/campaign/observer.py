"""Who is told how a campaign goes: the command line, a log, later a page."""

from __future__ import annotations

from typing import Protocol

from tuner.campaign.event import Event
from tuner.measurement.model import LoadPoint

__all__ = ["Observer", "Silent"]


class Observer(Protocol):
    """Told after the fact; an observer can neither change nor stop a campaign."""

    def campaign(self, campaign: str, trials: int, metric: str) -> None:
        """A campaign begins or is resumed; at most ``trials`` trials, judged by ``metric``."""
        ...

    def event(self, event: Event, *, replayed: bool) -> None:
        """An event is in the ledger; ``replayed`` where an earlier process put it there."""
        ...

    def point(self, label: str, point: LoadPoint) -> None:
        """One load of the trial or block that is running was judged."""
        ...


class Silent:
    """Nobody is told."""

    def campaign(self, campaign: str, trials: int, metric: str) -> None: ...

    def event(self, event: Event, *, replayed: bool) -> None: ...

    def point(self, label: str, point: LoadPoint) -> None: ...
