"""One service of a table as something to search: its space, what is aimed at, and what each trial answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tuner.errors import UserError
from tuner.experience.model import Reading, Tried
from tuner.replay.descriptor import Descriptor
from tuner.replay.expression import Known, compile_known
from tuner.replay.table import Cell, Table
from tuner.search.aim import Aim, Demand, Limit, Objective
from tuner.search.encoding import axes_of
from tuner.search.fleet import replicas_of
from tuner.search.pool import Pool
from tuner.space.assignment import Assignment
from tuner.space.parameter import Domain, Parameter
from tuner.space.rule import compile_rule
from tuner.space.space import LISTED, Space
from tuner.spec.model import Constraint, Scalar, Target

__all__ = ["Best", "Noise", "Recording", "recording_of"]

_MOST_LISTED = 5_000
"""Rows of a service up to which its missing combinations can be kept out of the space by a rule."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Lognormal noise on every metric: ``share`` is the standard deviation of the logarithm, 0.05 about 5 %."""

    share: float
    seed: int

    def on(self, tried: Tried, number: int) -> Tried:
        """What the trial of that number measures; the same for the same seed and number."""
        if self.share == 0 or not tried.readings:
            return tried
        draws = np.random.default_rng([self.seed, number]).standard_normal(len(tried.readings))
        return tried.model_copy(
            update={
                "readings": tuple(
                    Reading(
                        metric=reading.metric,
                        value=reading.value * math.exp(self.share * float(draw)),
                        error=math.hypot(reading.error, self.share),
                    )
                    for reading, draw in zip(tried.readings, draws, strict=True)
                )
            }
        )


@dataclass(frozen=True, slots=True)
class Best:
    """A configuration and its merit."""

    assignment: Assignment
    merit: float


@dataclass(frozen=True)
class Recording:
    """What was recorded of one service, and its merit's unit. A candidate without a cell fails.

    Without a ``start`` a search begins by itself.
    """

    service: str
    family: str
    unit: str
    space: Space
    aim: Aim
    start: Assignment | None
    candidates: tuple[Assignment, ...]
    cells: Mapping[Assignment, Cell]

    def tried(self, assignment: Assignment) -> Tried:
        """What a trial answers, without noise; a combination without a row fails."""
        cell = self.cells.get(assignment)
        if cell is None:
            return Tried(assignment=assignment, outcome="failed")
        return Tried(assignment=assignment, outcome="completed", readings=cell.readings())

    @property
    def rates(self) -> tuple[float, ...]:
        """The upper ends of the bands of arrival rates; none where the merit looks at no rate."""
        return tuple(each.demand.rate for each in self.aim.objectives if each.demand is not None)

    def merit(self, tried: Tried) -> float | None:
        """The merit that a trial measured, limits left aside; ``None`` where it failed.

        With bands: the geometric mean of its merits in all of them.
        """
        merits = self.merits(tried)
        return None if merits is None else math.exp(sum(map(math.log, merits)) / len(merits))

    def merits(self, tried: Tried) -> tuple[float, ...] | None:
        """The merit in each band, as ``merit``; the only one without bands."""
        logs = [self._bears(objective, tried) for objective in self.aim.objectives]
        known = [log for log in logs if log is not None]
        if len(known) < len(logs):
            return None
        return tuple(
            math.exp(objective.offset(tried.assignment) + log)
            if objective.demand is None
            else math.exp(objective.offset(tried.assignment)) / _replicas(objective.demand, log)
            for objective, log in zip(self.aim.objectives, known, strict=True)
        )

    def replicas(self, tried: Tried, band: int) -> int | None:
        """How many replicas the trial's configuration takes in a band; ``None`` where it failed."""
        objective = self.aim.objectives[band]
        log = self._bears(objective, tried)
        return None if log is None or objective.demand is None else _replicas(objective.demand, log)

    def _bears(self, objective: Objective, tried: Tried) -> float | None:
        """The logarithm of what is measured of the merit, or of what one replica bears."""
        found = {reading.metric: reading.value for reading in tried.readings}
        if tried.outcome == "failed" or any(metric not in found for metric in objective.weights):
            return None
        logs = sum(weight * math.log(found[metric]) for metric, weight in objective.weights.items())
        return logs if objective.demand is None else logs + objective.demand.capacity(tried.assignment)

    def excess(self, tried: Tried) -> float | None:
        """How far the worst limit is broken (above 0) or held: 0.1 is about 10 %. ``None`` where the trial failed."""
        found = {reading.metric: reading.value for reading in tried.readings}
        if tried.outcome == "failed" or any(limit.metric not in found for limit in self.aim.limits):
            return None
        return max((math.log(found[limit.metric] / limit.bound) for limit in self.aim.limits), default=-math.inf)

    def holds(self, tried: Tried) -> bool:
        """Whether the trial ran and measured every metric within its limit."""
        excess = self.excess(tried)
        return excess is not None and excess <= 0

    def worth(self, assignment: Assignment) -> float | None:
        """The true merit; ``None`` where the configuration fails or truly breaks a limit."""
        tried = self.tried(assignment)
        return self.merit(tried) if self.holds(tried) else None

    def worths(self, assignment: Assignment) -> tuple[float, ...] | None:
        """The true merits by band; as ``worth``."""
        tried = self.tried(assignment)
        return self.merits(tried) if self.holds(tried) else None

    @cached_property
    def best(self) -> Best | None:
        """The optimum of the recording; ``None`` where no configuration holds the limits. With bands: of the mean."""
        worths = [(assignment, self.worth(assignment)) for assignment in self.cells]
        known = [Best(assignment, worth) for assignment, worth in worths if worth is not None]
        return max(known, key=lambda found: found.merit, default=None)

    @cached_property
    def bests(self) -> tuple[Best, ...]:
        """The optimum of each band, or the only one; empty where no configuration holds the limits."""
        worths = {assignment: worth for assignment in self.cells if (worth := self.worths(assignment)) is not None}
        if not worths:
            return ()
        places = range(len(self.aim.objectives))
        found = [max(worths, key=lambda one, place=place: worths[one][place]) for place in places]  # type: ignore[misc]
        return tuple(Best(one, worths[one][place]) for place, one in enumerate(found))


def recording_of(table: Table, service: str | None = None) -> Recording:
    """A service of the table. UserError where there is none, or where its space is too large to be listed."""
    name, cells = table.cells(service)
    descriptor = table.descriptor
    space = _space(table, (*cells, *table.failed.get(name, ())))
    candidates = tuple(space.feasible())
    known = compile_known(descriptor.known, descriptor.parameters)
    objectives = _objectives(descriptor, _offset(known, candidates), candidates)
    limits = tuple(Limit(metric, bound) for metric, bound in descriptor.limits.items())
    return Recording(
        service=name,
        family=table.family(name),
        unit=descriptor.objective.unit,
        space=space,
        aim=Aim(objectives, limits),
        start=_start(space, descriptor.start) if descriptor.start else None,
        candidates=candidates,
        cells=cells,
    )


def _objectives(
    descriptor: Descriptor, known: Callable[[Assignment], float], candidates: tuple[Assignment, ...]
) -> tuple[Objective, ...]:
    weights, bands = dict(descriptor.objective.maximize), descriptor.objective.bands
    if bands is None:
        return (Objective(weights, known),)
    cost = _offset(compile_known(str(bands.cost), descriptor.parameters), candidates)

    def offset(assignment: Assignment) -> float:
        return -cost(assignment)

    return tuple(Objective(weights, offset, Demand(rate, known, bands.replicas)) for rate in bands.rates)


def _replicas(demand: Demand, log: float) -> int:
    return replicas_of(demand.rate, math.exp(log), demand.counts)


def _offset(known: Known, candidates: tuple[Assignment, ...]) -> Callable[[Assignment], float]:
    values = {candidate: math.log(known.value(candidate)) for candidate in candidates}

    def offset(assignment: Assignment) -> float:
        return values[assignment] if assignment in values else math.log(known.value(assignment))

    return offset


def _space(table: Table, recorded: tuple[Assignment, ...]) -> Space:
    absent = table.descriptor.missing == "absent"
    parameters = tuple(
        _parameter(name, varied.kind, table.values[name], recorded if absent else None)
        for name, varied in table.descriptor.parameters.items()
    )
    space = Space(parameters, ())
    total = space.combinations() or 0
    if total > LISTED or (absent and len(recorded) > _MOST_LISTED):
        what = f"the parameters have {total:,} combinations and {len(recorded):,} rows, too many to be listed"
        raise UserError.of(what, "keep fewer parameters or values", file=table.file)
    if not absent or total == len(recorded):
        return space
    names = [parameter.name for parameter in parameters]
    expression = _recorded(names, [[one[name] for name in names] for one in recorded])
    constraint = Constraint.model_construct(expression=expression, reason="it was not recorded")
    return Space(parameters, (compile_rule(constraint, names),))


def _parameter(name: str, kind: str, values: tuple[Scalar, ...], recorded: Sequence[Assignment] | None) -> Parameter:
    if recorded is not None:
        found = {one[name] for one in recorded}
        values = tuple(value for value in values if value in found)
    domain = Domain(kind="ordinal" if kind == "ordered" else "categorical", values=values)
    return Parameter(name=name, domain=domain, default=values[0], target=Target.model_validate({"engine": name}))


def _recorded(names: list[str], rows: list[list[Scalar]]) -> str:
    """CEL that is true for these rows: a tree over the parameters, so that most answers look at few of them."""
    if len(names) == 1:
        return f"{names[0]} in [{', '.join(_literal(row[0]) for row in rows)}]"
    groups: dict[Scalar, list[list[Scalar]]] = {}
    for row in rows:
        groups.setdefault(row[0], []).append(row[1:])
    branches = (f"{names[0]} == {_literal(value)} && {_recorded(names[1:], rest)}" for value, rest in groups.items())
    return f"({' || '.join(f'({branch})' for branch in branches)})"


def _literal(value: Scalar) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)


def _start(space: Space, wanted: Mapping[str, Scalar]) -> Assignment:
    """The configuration that is nearest to the wanted one."""
    axes = axes_of(space)
    near: dict[str, Scalar] = {}
    for axis in axes:
        name = axis.parameter.name
        encoded = axis.approximate(wanted[name]) if name in wanted else None
        near[name] = axis.parameter.default if encoded is None else axis.decode(encoded)
    found = Pool(axes, space.feasible()).without(())
    return Assignment(near) if found is None else found.nearest(Assignment(near))
