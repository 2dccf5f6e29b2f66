"""Tuners that others wrote, as strategies: each in an environment of its own, asked and told through a pipe.

``python -m bench.search_peers`` installs the environment from ``requirements/peers.txt``, by hash, into the user's
cache, where it is not there yet, and prints its folder. The benchmark leaves these methods out where it is missing.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.search_environment import Environment, Pipe
from tuner.errors import PermanentError
from tuner.experience.model import Tried
from tuner.replay.recording import Recording
from tuner.search.encoding import Axis, axes_of
from tuner.space.assignment import Assignment
from tuner.spec.model import Scalar

__all__ = ["ENVIRONMENT", "PEERS", "Peer", "worker"]

PEERS = ("smac", "mlos")
ENVIRONMENT = Environment("peers", Path(__file__).resolve().parent.parent / "requirements" / "peers.txt")
_STEEPNESS = 3.0
"""What a broken limit costs, by the logarithm of how far it is broken: steeper than any merit can rise meanwhile."""


def worker() -> Pipe:
    """The process that serves one run after another."""
    return Pipe(ENVIRONMENT, Path(__file__).with_name("search_worker.py"))


@dataclass(slots=True)
class Peer:
    """One run of a peer. It looks for the lowest cost: the merit's negative logarithm, raised by a broken limit."""

    method: str
    recording: Recording
    seed: int
    trials: int
    worker: Pipe
    _axes: tuple[Axis, ...] = field(init=False)
    _cost: float | None = None
    _worst: float = 0.0

    def __post_init__(self) -> None:
        self._axes = axes_of(self.recording.space)

    def ask(self) -> Assignment | None:
        if self._cost is None:
            order: dict[str, Any] = {
                "method": self.method,
                "seed": self.seed,
                "trials": self.trials,
                "sizes": [[len(_values(axis)), axis.ordered] for axis in self._axes],
                "start": self._start(),
            }
        else:
            order = {"cost": self._cost}
        places = self.worker.exchange(order)["places"]
        pairs = zip(self._axes, places, strict=True)
        return Assignment({axis.parameter.name: _values(axis)[place] for axis, place in pairs})

    def _start(self) -> list[int]:
        start = self.recording.start
        return [] if start is None else [_values(axis).index(start[axis.parameter.name]) for axis in self._axes]

    def tell(self, tried: Tried) -> None:
        merit, excess = self.recording.merit(tried), self.recording.excess(tried)
        if merit is None or excess is None:
            self._cost = self._worst + 1
        else:
            self._cost = -float(np.log(merit)) + _STEEPNESS * max(excess, 0.0)
            self._worst = max(self._worst, self._cost)


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
