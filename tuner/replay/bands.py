"""What a search on recorded data found for each band of arrival rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tuner.replay.advice import Adviser
from tuner.replay.recording import Recording
from tuner.replay.run import Step, best_in
from tuner.space.assignment import Assignment

__all__ = ["BandFound", "Served", "bands_found"]


@dataclass(frozen=True, slots=True)
class Served:
    """A configuration in one band, by the recording's truth.

    ``replicas`` bear the band's upper end, ``cost`` is that of all of them, ``share`` how much of the optimum it is;
    all ``None`` where the configuration fails or truly breaks a limit.
    """

    assignment: Assignment
    replicas: int | None
    cost: float | None
    share: float | None

    def __str__(self) -> str:
        if self.cost is None or self.share is None:
            return f"{self.assignment}, which truly breaks a limit"
        count = f"{self.replicas} replica{'' if self.replicas == 1 else 's'}"
        return f"{self.assignment}, {count} for {self.cost:.4g}, {self.share:.1%} of the best"


@dataclass(frozen=True, slots=True)
class BandFound:
    """One band: what measured best, what the model recommends, and what truly is the best."""

    above: float
    up_to: float
    best: Served | None
    recommended: Served | None
    optimum: Served | None


def bands_found(recording: Recording, steps: Sequence[Step], adviser: Adviser | None) -> tuple[BandFound, ...]:
    """One for each band; none where the descriptor has no bands."""
    return tuple(_found(recording, steps, adviser, band) for band in range(len(recording.rates)))


def _found(recording: Recording, steps: Sequence[Step], adviser: Adviser | None, band: int) -> BandFound:
    best = best_in(recording, steps, band)
    chosen = None if adviser is None else adviser.recommended(steps, band)
    return BandFound(
        above=recording.rates[band - 1] if band else 0.0,
        up_to=recording.rates[band],
        best=None if best is None else _served(recording, best.assignment, band),
        recommended=None if chosen is None else _served(recording, chosen, band),
        optimum=_served(recording, recording.bests[band].assignment, band) if recording.bests else None,
    )


def _served(recording: Recording, assignment: Assignment, band: int) -> Served:
    worths = recording.worths(assignment)
    if worths is None:
        return Served(assignment, None, None, None)
    replicas = recording.replicas(recording.tried(assignment), band)
    return Served(assignment, replicas, 1 / worths[band], worths[band] / recording.bests[band].merit)
