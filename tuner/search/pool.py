"""Every configuration of a space that can be listed: which are left, and which of them is nearest to a wished one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Self

import numpy as np
import numpy.typing as npt

from tuner.search.encoding import Axis
from tuner.space.assignment import Assignment
from tuner.space.space import LISTED, Space
from tuner.spec.model import Scalar

__all__ = ["Left", "Pool"]

_MOST = 20_000
"""Up to this many configurations a space is listed, so that the nearest one left is always found."""
_ABSENT = -1.0

Floats = npt.NDArray[np.float64]


class Pool:
    """The feasible configurations of a space in a fixed order; numbers, so that thousands are compared in no time."""

    def __init__(self, axes: Sequence[Axis], points: Iterable[Assignment]) -> None:
        self.points = tuple(points)
        self._index = {point: place for place, point in enumerate(self.points)}
        self._columns = tuple(_Column(axis, self.points) for axis in axes)

    @classmethod
    def of(cls, space: Space, axes: Sequence[Axis]) -> Self | None:
        """The pool of a space, or ``None`` where that is too large or endless."""
        combinations = space.combinations()
        if combinations is None or combinations > LISTED:
            return None
        found = tuple(islice(space.feasible(), _MOST + 1))
        return cls(axes, found) if len(found) <= _MOST else None

    def without(self, known: Iterable[Assignment]) -> Left | None:
        """What is left beside the known ones; ``None`` where nothing is."""
        free = np.ones(len(self.points), dtype=np.bool_)
        free[[self._index[point] for point in known if point in self._index]] = False
        places = np.flatnonzero(free)
        return Left(self, places) if len(places) else None

    def distances(self, wanted: Assignment) -> Floats:
        """How unlike each configuration is to the wanted one.

        A parameter adds 1 where its category differs or only one side has it, else the share of its range between the
        two values.
        """
        total = np.zeros(len(self.points))
        for column in self._columns:
            total += column.distances(wanted)
        return total


class Left:
    """The configurations of a pool that are not known yet, in the pool's order; at least one."""

    def __init__(self, pool: Pool, places: npt.NDArray[np.intp]) -> None:
        self._pool = pool
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, number: int) -> Assignment:
        return self._pool.points[int(self._places[number])]

    def nearest(self, wanted: Assignment) -> Assignment:
        """The one that is least unlike the wanted one; the first of several."""
        return self[int(np.argmin(self._pool.distances(wanted)[self._places]))]


class _Column:
    """One parameter over all configurations: places in [0, 1] where it is ordered, else numbers of its categories."""

    def __init__(self, axis: Axis, points: Sequence[Assignment]) -> None:
        self._axis = axis
        self._known: dict[tuple[bool, Scalar], float] = {}
        name = axis.parameter.name
        self._values = np.array([self._number(point.get(name)) for point in points])

    def distances(self, wanted: Assignment) -> Floats:
        number = self._number(wanted.get(self._axis.parameter.name))
        if self._axis.ordered and number != _ABSENT:
            return np.where(self._values == _ABSENT, 1.0, np.abs(self._values - number))
        return np.where(self._values == number, 0.0, 1.0)

    def _number(self, value: Scalar | None) -> float:
        if value is None:
            return _ABSENT
        key = isinstance(value, bool), value  # true is not 1
        if key not in self._known:
            self._known[key] = self._axis.place(value) if self._axis.ordered else float(len(self._known))
        return self._known[key]
