"""Surfaces to search: latencies of imaginary services, a space for them, and what a search of them finds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tuner.experience.model import Earlier, Reading, Tried
from tuner.search.aim import Aim, Limit, Objective
from tuner.search.learner import Learner
from tuner.space.assignment import Assignment
from tuner.space.parameter import Domain, Parameter
from tuner.space.space import Space
from tuner.spec.model import Scalar, Target

BATCH, SHARE, QUOTA = (1, 2, 4, 8), tuple(range(10, 101, 10)), (20, 40, 60, 80, 100)
SLO = 0.050


def parameter(name: str, values: Sequence[Scalar], kind: str = "ordinal") -> Parameter:
    domain = Domain.model_validate({"kind": kind, "values": tuple(values)})
    return Parameter(name=name, domain=domain, default=values[-1], target=Target.model_validate({"engine": "value"}))


SPACE = Space((parameter("batch", BATCH), parameter("share", SHARE), parameter("quota", QUOTA)), ())
ALL = tuple(SPACE.feasible())
START = Assignment({"batch": 1, "share": 100, "quota": 100})


def known(assignment: Assignment) -> float:
    batch, share, quota = (float(assignment[name]) for name in ("batch", "share", "quota"))
    return math.log(batch / (0.05 + share / 100 * quota / 100))


AIM = Aim((Objective({"latency": -1.0}, known),), (Limit("latency", SLO),))


@dataclass(frozen=True)
class Imaginary:
    """A service that needs ``launch`` seconds a pass whatever it holds, and ``work`` for each item on a whole GPU."""

    name: str
    launch: float
    work: float
    crash: Callable[[Assignment], bool] = lambda _: False

    def latency(self, assignment: Assignment) -> float:
        batch, share, quota = (float(assignment[name]) for name in ("batch", "share", "quota"))
        computing = self.work * batch / (share / 100)
        return float((self.launch**3 + computing**3) ** (1 / 3) / (quota / 100) ** 1.1)

    def tried(self, assignment: Assignment, error: float = 0.0, seed: int = 0) -> Tried:
        if self.crash(assignment):
            return Tried(assignment=assignment, outcome="failed")
        noise = error * float(np.random.default_rng([seed, hash(assignment) & 0xFFFF]).standard_normal())
        value = self.latency(assignment) * math.exp(noise)
        return Tried(
            assignment=assignment,
            outcome="completed",
            readings=(Reading(metric="latency", value=value, error=error),),
        )

    def merit(self, assignment: Assignment) -> float:
        """Its logarithm; minus infinity beyond the limit."""
        latency = self.latency(assignment)
        held = latency <= SLO and not self.crash(assignment)
        return known(assignment) - math.log(latency) if held else -math.inf

    @property
    def best(self) -> float:
        return max(self.merit(assignment) for assignment in ALL)

    def earlier(
        self, assignments: Sequence[Assignment] = ALL, factor: float = 1.0, family: str | None = None
    ) -> Earlier:
        trials = [
            Tried(
                assignment=one,
                outcome="completed",
                readings=(Reading(metric="latency", value=factor * self.latency(one)),),
            )
            for one in assignments
        ]
        return Earlier(service=self.name, engine="e", family=family, trials=tuple(trials))


SERVICES = tuple(
    Imaginary(f"s{number}", launch, work)
    for number, (launch, work) in enumerate(
        [(0.004, 0.0004), (0.008, 0.0008), (0.012, 0.0006), (0.006, 0.0020), (0.016, 0.0012), (0.010, 0.0030)]
    )
)


def trials_needed(learner: Learner, service: Imaginary, within: float = 0.01, most: int = 40) -> int:
    """Trials until one of them is within that share of the best, the start included; ``most`` where none was."""
    tried = [service.tried(START)]
    for number in range(1, most):
        if max(service.merit(one.assignment) for one in tried) >= service.best + math.log(1 - within):
            return number
        choice = learner.choose(tried)
        if choice is None:
            break
        tried.append(service.tried(choice.assignment))
    return most
