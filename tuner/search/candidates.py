"""What may be tried next: all of a space that can be listed, else points drawn anew around what is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from random import Random

from tuner.space.assignment import Assignment
from tuner.space.enumeration import active, random_points
from tuner.space.space import LISTED, Space
from tuner.spec.model import Scalar

__all__ = ["Candidates"]

_MOST = 100_000
"""Up to this many configurations a space is listed."""
_DRAWN, _AROUND = 1_000, 400
_TRIES = 20
_CHANGED = 0.3
"""Share of a good configuration's parameters that are drawn anew, at least one."""


class Candidates:
    """The configurations of one space that a proposal is chosen from."""

    def __init__(self, space: Space, seed: int = 0) -> None:
        self._space, self._seed = space, seed
        combinations = space.combinations()
        found: tuple[Assignment, ...] = ()
        if combinations is not None and combinations <= LISTED:
            found = tuple(islice(space.feasible(), _MOST + 1))
        self.listed = found if found and len(found) <= _MOST else None
        """Every one, in a fixed order; ``None`` where the space is too large or endless."""

    def now(self, number: int, good: Sequence[Assignment]) -> tuple[Assignment, ...]:
        """Those for proposal ``number``: the same for the same number; near the ``good`` ones and everywhere."""
        if self.listed is not None:
            return self.listed
        seed = (self._seed * 1_000_003 + number) & 0x7FFFFFFF
        return tuple(dict.fromkeys([*self._drawn(seed), *self._around(good, Random(seed))]))  # noqa: S311

    def _drawn(self, seed: int) -> Iterator[Assignment]:
        points = random_points(self._space.parameters, _DRAWN * _TRIES, seed)
        return islice(self._allowed(points), _DRAWN)

    def _around(self, good: Sequence[Assignment], random: Random) -> Iterator[Assignment]:
        wanted = _AROUND // max(len(good), 1)
        for one in good:
            points = (self._changed(one, random) for _ in range(wanted * _TRIES))
            yield from islice(self._allowed(points), wanted)

    def _changed(self, one: Assignment, random: Random) -> dict[str, Scalar]:
        parameters = self._space.parameters
        fixed = parameters[random.randrange(len(parameters))].name
        values: dict[str, Scalar] = {}
        for parameter in parameters:
            if not active(parameter, values):
                continue
            name = parameter.name
            again = name == fixed or random.random() < _CHANGED / 2 or name not in one
            value = parameter.domain.draw(random) if again else one[name]
            values[name] = value if parameter.domain.contains(value) else parameter.domain.draw(random)
        return values

    def _allowed(self, points: Iterable[dict[str, Scalar]]) -> Iterator[Assignment]:
        return (Assignment(point) for point in points if not self._space.violations(point))
