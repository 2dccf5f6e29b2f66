"""Who is told how a campaign goes: the command line, a log, later a page."""

from __future__ import annotations

from typing import Protocol

from tuner.campaign.event import Event
from tuner.load.protocol import LoadResult
from tuner.search.progress import Progress

__all__ = ["Observer", "Silent"]


class Observer(Protocol):
    """Told after the fact; an observer can neither change nor stop a campaign."""

    def campaign(self, campaign: str, trials: int, metric: str) -> None:
        """A campaign begins or is resumed; at most ``trials`` trials, judged by ``metric``."""
        ...

    def event(self, event: Event, *, replayed: bool) -> None:
        """An event is in the ledger; ``replayed`` where an earlier process put it there."""
        ...

    def search(self, progress: Progress) -> None:
        """How far the search is, before it tries another configuration."""
        ...

    def load(self, label: str, rate: float, result: LoadResult) -> None:
        """One load of ``rate`` requests per second was sent, for the trial or block of that label."""
        ...


class Silent:
    """Nobody is told."""

    def campaign(self, campaign: str, trials: int, metric: str) -> None: ...

    def event(self, event: Event, *, replayed: bool) -> None: ...

    def search(self, progress: Progress) -> None: ...

    def load(self, label: str, rate: float, result: LoadResult) -> None: ...
