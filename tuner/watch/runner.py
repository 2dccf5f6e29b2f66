"""Who runs a campaign for the service: the door to a process, or to whatever else can be started and stopped."""

from __future__ import annotations

from typing import Protocol

from tuner.watch.job import Ended, Job

__all__ = ["Runner", "Running"]


class Running(Protocol):
    """A campaign that was started. No method blocks, and none raises once the campaign has ended."""

    def beat(self) -> None:
        """Tell it that this replica leads still. A campaign that hears nothing for the lease's time stops by itself."""
        ...

    def interrupt(self) -> None:
        """Stop cleanly: what is finished stays, and the same job goes on from there."""
        ...

    def kill(self) -> None:
        """Stop at once. What it had finished stays nonetheless."""
        ...

    def ended(self) -> Ended | None:
        """How it ended; None while it runs."""
        ...


class Runner(Protocol):
    """Starts campaigns."""

    def start(self, job: Job) -> Running:
        """Start, and return at once. TemporaryError or PermanentError where it cannot be started."""
        ...
