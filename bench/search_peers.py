"""Tuners that others wrote, as strategies: each in an environment of its own, asked and told through a pipe.

``python -m bench.search_peers`` installs the environment from ``requirements/peers.txt``, by hash, into the user's
cache, where it is not there yet, and prints its folder. The benchmark leaves these methods out where it is missing.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench.search_environment import Environment, Pipe
from tuner.errors import PermanentError
from tuner.experience.model import Tried
from tuner.replay.recording import Recording
from tuner.search.design import spread
from tuner.search.encoding import Axis, axes_of
from tuner.search.pool import Pool
from tuner.space.assignment import Assignment
from tuner.spec.model import Scalar

__all__ = ["ENVIRONMENT", "PEERS", "Peer", "worker"]

PEERS = ("smac", "mlos")
ENVIRONMENT = Environment("peers", Path(__file__).resolve().parent.parent / "requirements" / "peers.txt")
_TRIES = 8
_STEP, _STEEPNESS = 1.0, 3.0
"""What a broken limit costs: a step, so that nothing beyond it is the optimum, and more the farther it is broken."""


def worker() -> Pipe:
    """The process that serves one run after another."""
    return Pipe(ENVIRONMENT, Path(__file__).with_name("search_worker.py"))


@dataclass(slots=True)
class Peer:
    """One run of a peer. It looks for the lowest cost: the merit's negative logarithm, raised by a broken limit.

    Like Optuna's samplers it is asked again for what was tried before or is none of the space, which counts as no
    trial; after that the nearest configuration left is tried.
    """

    method: str
    recording: Recording
    seed: int
    trials: int
    worker: Pipe
    _axes: tuple[Axis, ...] = field(init=False)
    _pool: Pool = field(init=False)
    _costs: dict[Assignment, float] = field(default_factory=dict)
    _failed: float = 1.0
    """The cost of what did not run: above all that ran."""

    def __post_init__(self) -> None:
        self._axes = axes_of(self.recording.space)
        self._pool = Pool(self._axes, self.recording.candidates)
        sizes = [[len(_values(axis)), axis.ordered] for axis in self._axes]
        begin = {"method": self.method, "seed": self.seed, "trials": self.trials, "sizes": sizes}
        self.worker.exchange({"begin": begin})

    def ask(self) -> Assignment | None:
        left = self._pool.without(self._costs)
        if left is None:
            return None
        if not self._costs and self.recording.start is not None:
            return self.recording.start
        first: Assignment | None = None
        for _ in range(_TRIES):
            wished = self._wished()
            if wished is None:
                break
            if wished not in self._costs and self.recording.space.contains(wished):
                return wished
            first = first or wished
            self._say(wished, self._costs.get(wished, self._failed))
        return left.nearest(first or self._any())

    def _wished(self) -> Assignment | None:
        places = self.worker.exchange({"ask": True})["places"]
        if places is None:
            return None
        pairs = zip(self._axes, places, strict=True)
        return Assignment({axis.parameter.name: _values(axis)[place] for axis, place in pairs})

    def _any(self) -> Assignment:
        """What is tried where a peer finds nothing more: the next of evenly spread points."""
        return spread(self.recording.space, self._axes, len(self._costs), self.seed)

    def tell(self, tried: Tried) -> None:
        merit, excess = self.recording.merit(tried), self.recording.excess(tried)
        if merit is None or excess is None:
            cost = self._failed
        else:
            broken = 0.0 if excess <= 0 else _STEP + _STEEPNESS * excess
            cost = broken - float(np.log(merit))
            self._failed = max(self._failed, cost + 1)
        self._costs[tried.assignment] = cost
        self._say(tried.assignment, cost)

    def _say(self, assignment: Assignment, cost: float) -> None:
        places = [_values(axis).index(assignment[axis.parameter.name]) for axis in self._axes]
        self.worker.exchange({"tell": {"places": places, "cost": cost}})


def _values(axis: Axis) -> tuple[Scalar, ...]:
    return tuple(axis.domain.grid())


def main() -> int:
    """Install and print the folder; exit 1 where that cannot be."""
    try:
        sys.stdout.write(f"{ENVIRONMENT.install()}\n")
    except PermanentError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
