"""From a spec and an engine's parameters to a space, or to every mistake that only shows when both are known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from tuner.errors import UserError
from tuner.space.definition import Complaints, define
from tuner.space.feasibility import WALKED, conflict, unanswered
from tuner.space.parameter import Condition, Parameter, same
from tuner.space.resource import typed_value
from tuner.space.rule import Rule, compile_rule
from tuner.space.space import Space
from tuner.spec.loading import LoadedSpec
from tuner.spec.mistake import Mistake, nearest, shown
from tuner.spec.model import Scalar

__all__ = ["build_space"]

_MOST_COUNTS = 1_000


def build_space(spec: LoadedSpec, knobs: Sequence[Parameter]) -> Space:
    """The space of the spec, for an engine whose own parameters are ``knobs``. UserError with every mistake found."""
    complaints = Complaints(spec)
    defined = _defined(spec, knobs, complaints)
    _stop(complaints)
    replicas = _replicas(defined, complaints) if spec.spec.objective.bands is not None else ()
    _stop(complaints)
    parameters = _ordered(_conditioned(spec, defined, knobs, complaints), complaints)
    _stop(complaints)
    _refuse_clashes(parameters, complaints)
    rules = tuple(_rules(spec, parameters, complaints))
    _check_baseline(spec, parameters, complaints)
    _stop(complaints)
    space = Space(parameters, rules, replicas)
    _refuse_empty(space, complaints)
    _check_sampler(space, complaints)
    _stop(complaints)
    return space


def _stop(complaints: Complaints) -> None:
    if complaints.problems:
        raise UserError(sorted(complaints.problems, key=lambda p: (p.line or 0, p.column or 0)))


def _defined(spec: LoadedSpec, knobs: Sequence[Parameter], complaints: Complaints) -> dict[str, Parameter]:
    by_name = {knob.name: knob for knob in knobs}
    found = (
        define(name, written, by_name.get(name), by_name, complaints) for name, written in spec.spec.parameters.items()
    )
    return {parameter.name: parameter for parameter in found if parameter is not None}


def _replicas(defined: dict[str, Parameter], complaints: Complaints) -> tuple[int, ...]:
    """Take the replicas out of what is tried: with bands they follow from the rate and the measured capacity."""
    found = [name for name, parameter in defined.items() if parameter.target.manifest == "replicas"]
    if not found:
        return ()
    name = found[0]
    parameter = defined.pop(name)
    written = complaints.spec.spec.parameters
    for other in (name, *(other for other in defined if name in (written[other].when or {}))):
        if other != name or written[name].when:
            what = f"with bands, {name} follows from the rate, so it has no conditions and none hangs on it"
            complaints.add(("parameters", other, "when"), what, "remove when", key=True)
    size = parameter.domain.size
    if size is None or size > _MOST_COUNTS:
        what = f"{name} has too many values"
        complaints.add(("parameters", name), what, f"name at most {_MOST_COUNTS} numbers of replicas", key=True)
        return ()
    if not defined:
        complaints.add(("parameters",), "beside the replicas nothing varies", "name another parameter", key=True)
    return tuple(sorted(int(value) for value in parameter.domain.grid()))


def _conditioned(
    spec: LoadedSpec, defined: Mapping[str, Parameter], knobs: Iterable[Parameter], complaints: Complaints
) -> dict[str, Parameter]:
    """Each parameter with its conditions: the engine's on parameters that are tuned as well, and the user's own."""
    own = {knob.name: tuple(need for need in knob.when if need.name in defined) for knob in knobs}
    conditioned: dict[str, Parameter] = {}
    for name, parameter in defined.items():
        asked = tuple(_conditions(spec, name, defined, complaints))
        for need in own.get(name, ()):
            if not any(defined[need.name].domain.contains(value) for value in need.values):
                what = f"{name} is never used: the engine needs {need.name} to be {_listed(need.values)}"
                complaints.add(("parameters", name), what, f"remove it, or widen {need.name}", key=True)
        conditioned[name] = parameter.model_copy(update={"when": (*own.get(name, ()), *asked)})
    return conditioned


def _conditions(
    spec: LoadedSpec, name: str, defined: Mapping[str, Parameter], complaints: Complaints
) -> Iterator[Condition]:
    for other, wanted in (spec.spec.parameters[name].when or {}).items():
        path = ("parameters", name, "when", other)
        values = wanted if isinstance(wanted, tuple) else (wanted,)
        if other not in defined:
            near = nearest(other, defined)
            fix = f"did you mean {near}?" if near else f"the parameters are {', '.join(defined)}"
            complaints.add(path, f"when names {shown(other)[1:-1]}, which is not a parameter", fix, key=True)
            continue
        domain = defined[other].domain
        typed = [typed_value(defined[other], value) for value in values]
        for raw, value in zip(values, typed, strict=True):
            if value is None or not domain.contains(value):
                complaints.add(path, f"{other} is never {shown(raw)}", f"it can be {domain}")
        yield Condition(
            name=other, values=tuple(raw if value is None else value for raw, value in zip(values, typed, strict=True))
        )


def _ordered(parameters: Mapping[str, Parameter], complaints: Complaints) -> tuple[Parameter, ...]:
    """Each parameter after those that it depends on, otherwise in the order of the spec."""
    graph = {name: [need.name for need in parameter.when] for name, parameter in parameters.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        path = ("parameters", circle[0], "when")
        complaints.add(path, f"when goes in a circle: {' → '.join(circle)}", "remove one of these conditions", key=True)
        return ()
    ordered: dict[str, Parameter] = {}
    while len(ordered) < len(parameters):
        for name, parameter in parameters.items():
            if name not in ordered and all(need in ordered for need in graph[name]):
                ordered[name] = parameter
    return tuple(ordered.values())


def _refuse_clashes(parameters: Sequence[Parameter], complaints: Complaints) -> None:
    """Two parameters may land in one place only where their conditions never hold together."""
    for index, later in enumerate(parameters):
        for earlier in parameters[:index]:
            if later.target == earlier.target and not _exclusive(earlier, later):
                kind, place = later.target.place
                what = f"{later.name} and {earlier.name} both set the {kind} {place}"
                complaints.add(("parameters", later.name), what, "keep one, or make them exclusive with when", key=True)


def _exclusive(left: Parameter, right: Parameter) -> bool:
    return any(
        mine.name == other.name and not any(same(a, b) for a in mine.values for b in other.values)
        for mine in left.when
        for other in right.when
    )


def _rules(spec: LoadedSpec, parameters: Sequence[Parameter], complaints: Complaints) -> Iterator[Rule]:
    names = [parameter.name for parameter in parameters]
    for index, constraint in enumerate(spec.spec.constraints):
        path = ("constraints", index, "expression")
        try:
            rule = compile_rule(constraint, names)
        except Mistake as mistake:
            complaints.add(path, mistake.what, mistake.fix)
            continue
        if failure := unanswered(parameters, rule):
            what = f"the constraint never says true or false: {failure}"
            complaints.add(path, what, "compare something, for example max_batch_size <= 64")
        yield rule


def _check_baseline(spec: LoadedSpec, parameters: Sequence[Parameter], complaints: Complaints) -> None:
    """A baseline may lie outside of the range that is searched, but its names and types have to be right."""
    by_name = {parameter.name: parameter for parameter in parameters}
    for name, value in (spec.spec.baseline.values or {}).items():
        path = ("baseline", "values", name)
        if name not in by_name:
            near = nearest(name, by_name)
            fix = f"did you mean {near}?" if near else f"the parameters are {', '.join(by_name)}"
            complaints.add(path, f"the baseline names {shown(name)[1:-1]}, which is not a parameter", fix, key=True)
        elif typed_value(by_name[name], value) is None:
            what = f"the baseline's {name} cannot be {shown(value)}"
            complaints.add(path, what, f"it is of type {by_name[name].domain.kind}")


def _refuse_empty(space: Space, complaints: Complaints) -> None:
    guilty = conflict(space.parameters, space.rules)
    total = space.combinations()
    none = (
        "no configuration satisfies"
        if total is not None and total <= WALKED
        else "no configuration was found that satisfies"
    )
    for rule in guilty:
        index = next(i for i, other in enumerate(space.rules) if other is rule)
        if len(guilty) == 1:
            what = f"{none} the constraint {shown(str(rule))[1:-1]}"
        else:
            others = ", ".join(f"line {_line(complaints, space, other)}" for other in guilty if other is not rule)
            what = f"{none} this constraint together with {others}"
        complaints.add(("constraints", index, "expression"), what, "loosen it, or widen the parameters")


def _line(complaints: Complaints, space: Space, rule: Rule) -> int | None:
    index = next(i for i, other in enumerate(space.rules) if other is rule)
    return complaints.spec.problem(("constraints", index, "expression"), "").line


def _check_sampler(space: Space, complaints: Complaints) -> None:
    if complaints.spec.spec.search.sampler == "grid" and space.combinations() is None:
        endless = next(parameter.name for parameter in space.parameters if parameter.domain.size is None)
        what = f"the sampler grid needs a finite space, and {endless} is continuous"
        complaints.add(("search", "sampler"), what, f"give {endless} a step or values, or choose tpe")


def _listed(values: Sequence[Scalar]) -> str:
    return " or ".join(str(value) for value in values)
