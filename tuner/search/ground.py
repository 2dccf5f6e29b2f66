"""Where a learner looks: assignments as points, and what is known of them without a single trial."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tuner.experience.model import Earlier
from tuner.search.aim import Aim
from tuner.search.coordinates import Coordinates
from tuner.search.failing import Failures
from tuner.search.field import Field
from tuner.search.prior import Prior, learn
from tuner.space.assignment import Assignment

__all__ = ["Ground", "Knowledge"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """``points`` of shape (assignments, columns); ``offsets``: the part of each merit that needs no trial.

    ``informed``: by metric, fields with weights that sum to 1, or none where no earlier service tells.
    """

    assignments: tuple[Assignment, ...]
    index: Mapping[Assignment, int]
    points: Floats
    offsets: tuple[Floats, ...]
    capacities: tuple[Floats, ...]
    """By objective with a demand, the part of a replica's capacity that needs no trial; zeros for the others."""
    prices: Floats
    """Logarithm of what a trial costs; 0 where all cost the same."""
    informed: Mapping[str, Sequence[tuple[Field, float]]]
    failing: Floats
    """The share that fails at each point, by what earlier services say."""

    def among(self, first: int, but: Collection[Assignment]) -> npt.NDArray[np.bool_]:
        """Which places are among the first ones and none of these, shape (assignments,)."""
        found = np.zeros(len(self.assignments), dtype=np.bool_)
        found[:first] = True
        found[[self.index[one] for one in but if one in self.index]] = False
        return found


class Knowledge:
    """What earlier services teach about one space under one aim."""

    def __init__(
        self,
        coordinates: Coordinates,
        aim: Aim,
        experience: Sequence[Earlier],
        resemblance: Sequence[float] | None = None,
    ) -> None:
        self._coordinates, self._aim = coordinates, aim
        found = {name: learn(experience, name, coordinates, resemblance) for name in aim.metrics}
        self._priors: dict[str, Prior] = {name: prior for name, prior in found.items() if prior is not None}
        trials = [trial for earlier in experience for trial in earlier.trials]
        failed = np.array([trial.outcome == "failed" for trial in trials], dtype=np.bool_)
        self._failures = Failures(coordinates.of([one.assignment for one in trials] if failed.any() else []), failed)

    @property
    def informed(self) -> bool:
        """Whether earlier services tell of any metric."""
        return bool(self._priors)

    def ground(self, assignments: Iterable[Assignment]) -> Ground:
        """What is known of these, each once."""
        distinct = tuple(dict.fromkeys(assignments))
        points = self._coordinates.of(distinct)
        return Ground(
            assignments=distinct,
            index={assignment: place for place, assignment in enumerate(distinct)},
            points=points,
            offsets=_each([objective.offset for objective in self._aim.objectives], distinct),
            capacities=_each(
                [_nothing if one.demand is None else one.demand.capacity for one in self._aim.objectives], distinct
            ),
            prices=self._prices(distinct),
            informed={name: prior.fields(points) for name, prior in self._priors.items()},
            failing=self._failures.share(points),
        )

    def _prices(self, assignments: Sequence[Assignment]) -> Floats:
        price = self._aim.price
        if price is None:
            return np.zeros(len(assignments))
        return np.log([price(assignment) for assignment in assignments])


def _nothing(_: Assignment) -> float:
    return 0.0


def _each(known: Sequence[Callable[[Assignment], float]], assignments: Sequence[Assignment]) -> tuple[Floats, ...]:
    """What each function says of all assignments; one that is there several times is asked once."""
    found = {
        function: np.array([function(assignment) for assignment in assignments], dtype=np.float64)
        for function in dict.fromkeys(known)
    }
    return tuple(found[function] for function in known)
