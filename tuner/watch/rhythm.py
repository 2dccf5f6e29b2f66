"""When a repository is looked at next: its interval with jitter, and longer after each failure in a row."""

from __future__ import annotations

import random
from dataclasses import dataclass

__all__ = ["Rhythm"]


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Seconds throughout. ``jitter`` is the share of the pause that is random and added to it."""

    interval: float
    jitter: float
    longest: float

    def first(self, chance: random.Random) -> float:
        """The pause before the first look: a service over many repositories does not begin with all at once."""
        return chance.uniform(0.0, min(self.interval * self.jitter, 10.0))

    def pause(self, failures: int, chance: random.Random, *, least: float = 0.0) -> float:
        """The pause after a look: twice as long with each failure in a row, ``least`` where an outage says so."""
        base = self.interval
        if failures:
            base = min(self.interval * 2.0 ** min(failures, 30), max(self.longest, self.interval))
        return max(base, least) * (1.0 + chance.uniform(0.0, self.jitter))
