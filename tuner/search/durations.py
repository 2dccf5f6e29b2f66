"""How long a trial of each candidate is expected to take, from its server's start to its last load.

Learned like any metric that is measured: by this search's own trials, and by those of earlier services, whose servers
start the slower for the same reasons.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tuner.experience.model import Earlier, Tried
from tuner.experience.readings import SECONDS
from tuner.search.coordinates import Coordinates
from tuner.search.field import Field
from tuner.search.ground import Ground
from tuner.search.kernel import Kernel
from tuner.search.prior import Prior, learn
from tuner.search.view import belief_of

__all__ = ["Durations"]

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]


class Durations:
    """What earlier services teach about durations is worked out once it is asked for: most searches never do."""

    def __init__(
        self,
        coordinates: Coordinates,
        kernels: Sequence[Kernel],
        experience: Sequence[Earlier],
        resemblance: Sequence[float] | None = None,
    ) -> None:
        self._coordinates, self._kernels = coordinates, kernels
        self._experience, self._resemblance = experience, resemblance
        self._last: tuple[Ground, Sequence[tuple[Field, float]]] | None = None

    @cached_property
    def _prior(self) -> Prior | None:
        return learn(self._experience, SECONDS, self._coordinates, self._resemblance)

    def expected(self, ground: Ground, tried: Sequence[Tried], places: Places) -> Floats:
        """Logarithms of seconds by assignment of the ground; zeros while no trial tells how long it took."""
        informed = self._informed(ground)
        if not informed and not any(reading.metric == SECONDS for one in tried for reading in one.readings):
            return np.zeros(len(ground.assignments))
        return belief_of(SECONDS, ground.points, informed, self._kernels, tried, places).mean

    def _informed(self, ground: Ground) -> Sequence[tuple[Field, float]]:
        if self._last is None or self._last[0] is not ground:
            self._last = (ground, () if self._prior is None else self._prior.fields(ground.points))
        return self._last[1]
