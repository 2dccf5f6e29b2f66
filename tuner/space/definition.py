"""One entry of ``parameters`` and what the engine knows of it become one parameter."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from tuner.errors import Problem
from tuner.space.parameter import Domain, Parameter
from tuner.space.resource import BUILT_IN, ResourceKind, resource_kind
from tuner.spec.document import Path
from tuner.spec.loading import LoadedSpec
from tuner.spec.mistake import Mistake, nearest, shown
from tuner.spec.model import ParameterRange, Scalar, Target

__all__ = ["Complaints", "define"]

_NUMERIC = ("int", "float")
_RANGE = ("min", "max", "step", "log")
_LARGEST = 2.0**31 - 1


@dataclass(slots=True)
class Complaints:
    """The problems found so far, and where the next one stands."""

    spec: LoadedSpec
    problems: list[Problem] = field(default_factory=list)

    def add(self, path: Path, what: str, fix: str = "", *, key: bool = False) -> None:
        """Note a problem at a path of the spec."""
        self.problems.append(self.spec.problem(path, what, fix, key=key))


@dataclass(frozen=True, slots=True)
class _Entry:
    """What a person wrote for one parameter, with where to complain about it."""

    name: str
    written: ParameterRange
    complaints: Complaints

    def wrong(self, key: str | tuple[str | int, ...], what: str, fix: str = "", *, on_key: bool = False) -> None:
        below = (key,) if isinstance(key, str) else key
        self.complaints.add(("parameters", self.name, *below), what, fix, key=on_key)

    def has(self, key: str) -> bool:
        value = getattr(self.written, key)
        return value is not None and value is not False


def define(
    name: str, written: ParameterRange, knob: Parameter | None, known: Collection[str], c: Complaints
) -> Parameter | None:
    """The parameter; ``None`` after complaining. ``knob`` is the engine's own, ``known`` are all of the engine's names.

    Conditions are not looked at here: they need the other parameters.
    """
    entry = _Entry(name, written, c)
    before = len(c.problems)
    target = written.target or (BUILT_IN.get(name) if knob is None else None)
    if knob is not None:
        parameter = _of_engine(entry, knob)
    elif target is not None and (kind := resource_kind(target)) is not None:
        parameter = _of_manifest(entry, target, kind)
    else:
        parameter = _of_user(entry, known)
    return parameter if len(c.problems) == before else None


def _of_engine(entry: _Entry, knob: Parameter) -> Parameter | None:
    if entry.has("target"):
        entry.wrong(
            "target", f"{entry.name} is the engine's own parameter and has its place", "remove target", on_key=True
        )
    limits = _limits(entry, knob.domain)
    kind = entry.written.type
    if kind not in (None, limits.kind) and not (kind not in _NUMERIC and entry.has("values")):
        entry.wrong("type", f"{entry.name} is of type {limits.kind}, not {kind}", "remove type")
        return None
    domain = _narrowed(entry, limits)
    if domain is None:
        return None
    if kind is not None:
        domain = domain.model_copy(update={"kind": kind})
    default = _default(entry, domain, knob.domain.typed, knob.default)
    return knob.model_copy(update={"domain": domain, "default": default, "when": ()})


def _limits(entry: _Entry, domain: Domain) -> Domain:
    """What the engine takes. Where it suggests some whole numbers, a user may ask for a range of them instead."""
    ranged = entry.written.type == "int" or entry.has("step") or entry.has("log")
    if not _suggested(domain) or not ranged or entry.has("values"):
        return domain
    numbers = [int(value) for value in domain.values or ()]
    high = _LARGEST if entry.written.max is not None else max(numbers)
    return Domain(kind="int", low=min(numbers), high=high, step=1)


def _suggested(domain: Domain) -> bool:
    """An ordinal of whole numbers: values to try. Others are allowed as well, from the lowest of them upwards."""
    return domain.kind == "ordinal" and all(type(value) is int for value in domain.values or ("",))


def _of_manifest(entry: _Entry, target: Target, kind: ResourceKind) -> Parameter | None:
    written = entry.written
    limits = kind.limits
    natural = limits.kind if limits else ("ordinal" if target.manifest == "resources.memory" else "categorical")
    if written.type not in (None, natural, "ordinal", "categorical") or (
        written.type and limits and not entry.has("values") and written.type != natural
    ):
        entry.wrong("type", f"{entry.name} is of type {natural}, not {written.type}", "remove type")
    if entry.has("values"):
        values = _read_values(entry, kind)
        domain = Domain(kind=natural, values=values) if values else None
    elif limits is None or not (entry.has("min") and entry.has("max")):
        entry.wrong(
            (),
            f"{entry.name} says nothing about its values",
            "add values" if limits is None else "add values, or min and max",
            on_key=True,
        )
        return None
    elif limits.kind == "float" and not (entry.has("step") or entry.has("log")):
        entry.wrong((), f"{entry.name} has no step", "add for example step: 0.5", on_key=True)
        return None
    else:
        domain = _narrowed(entry, limits)
    if domain is None:
        return None
    default = _default(entry, domain, kind.read, next(iter(domain.grid())) if domain.size else domain.low or 0)
    return Parameter(name=entry.name, domain=domain, default=default, target=target, description=kind.description)


def _of_user(entry: _Entry, known: Collection[str]) -> Parameter | None:
    written = entry.written
    listed = written.type in ("categorical", "ordinal")
    has_values = written.values is not None or (not listed and written.min is not None and written.max is not None)
    needed = {
        "type": written.type is not None,
        "values" if listed else "values or min and max": has_values,
        "default": written.default is not None,
        "target": written.target is not None,
    }
    missing = [key for key, there in needed.items() if not there]
    if missing:
        near = nearest(entry.name, (*known, *BUILT_IN))
        fix = f"add {', '.join(missing)}"
        what = f"the engine does not know the parameter {entry.name}"
        entry.wrong((), what, f"did you mean {near}? Or {fix}" if near else fix, on_key=True)
        return None
    if written.type is None or written.target is None or written.default is None:
        return None
    whole = Domain(kind=written.type, low=-(2.0**53), high=2.0**53, step=1 if written.type == "int" else None)
    domain = _listed(entry, whole) if written.values is not None else _ranged(entry, whole)
    if domain is None:
        return None
    default = _default(entry, domain, domain.typed, written.default)
    return Parameter(name=entry.name, domain=domain, default=default, target=written.target)


def _narrowed(entry: _Entry, limits: Domain) -> Domain | None:
    """What the user wrote, within what the engine or the manifest allows."""
    if entry.has("values"):
        domain = _listed(entry, limits)
    elif not any(entry.has(key) for key in _RANGE):
        return limits
    elif limits.values is None:
        domain = _ranged(entry, limits)
    elif limits.kind == "categorical" or any(isinstance(value, str) for value in limits.values):
        key = next(key for key in _RANGE if entry.has(key))
        entry.wrong(key, f"{entry.name} has no range", f"list values among {limits}", on_key=True)
        return None
    else:
        domain = _between(entry, limits)
    return domain


def _listed(entry: _Entry, limits: Domain) -> Domain | None:
    values: list[Scalar] = []
    allowed = limits
    if _suggested(limits):
        lowest = min(int(value) for value in limits.values or ())
        allowed = Domain(kind="int", low=lowest, high=_LARGEST, step=1)
    free = limits.values is None and limits.kind not in _NUMERIC
    for index, raw in enumerate(entry.written.values or ()):
        value = allowed.typed(raw)
        if value is None:
            entry.wrong(("values", index), f"{shown(raw)} is not of type {allowed.kind}", f"write {_a(allowed.kind)}")
        elif not free and not allowed.contains(value):
            entry.wrong(
                ("values", index), f"{shown(raw)} is outside of what {entry.name} can be", f"it can be {allowed}"
            )
        else:
            values.append(value)
    return Domain(kind=limits.kind, values=tuple(values)) if len(values) == len(entry.written.values or ()) else None


def _ranged(entry: _Entry, limits: Domain) -> Domain | None:
    written = entry.written
    for key in ("min", "max", "step") if limits.kind == "int" else ():
        number = getattr(written, key)
        if number is not None and number != int(number):
            entry.wrong(key, f"{key} is {number:g}, and {entry.name} is a whole number", "write a whole number")
            return None
    for key in ("min", "max"):
        number = getattr(written, key)
        if (
            number is not None
            and limits.low is not None
            and limits.high is not None
            and not limits.low <= number <= limits.high
        ):
            entry.wrong(key, f"{key} is {number:g}, outside of what {entry.name} can be", f"it can be {limits}")
            return None
    low = limits.low if written.min is None else written.min
    high = limits.high if written.max is None else written.max
    log = written.log if "log" in written.model_fields_set else limits.log and written.step is None
    step = written.step if written.step is not None else limits.step
    if log and limits.kind == "float":
        step = None
    if low is None or high is None or low > high:
        key = "min" if written.min is not None else "max"
        entry.wrong(key, f"the range of {entry.name} is empty: {low:g} to {high:g}", f"it can be {limits}")
        return None
    if log and low <= 0:
        entry.wrong(
            "log", f"a log scale needs a range above 0, and {entry.name} starts at {low:g}", "add min, or remove log"
        )
        return None
    if written.step is not None and written.step > high - low:
        entry.wrong("step", f"step {written.step:g} is larger than the range {low:g} to {high:g}", "lower step")
        return None
    return Domain(kind=limits.kind, low=low, high=high, step=step, log=log)


def _between(entry: _Entry, limits: Domain) -> Domain | None:
    """The engine's own values between the user's min and max."""
    written = entry.written
    for key in ("step", "log"):
        if entry.has(key):
            entry.wrong(key, f"{entry.name} has values, no scale", f"list values among {limits}", on_key=True)
            return None
    low = -float("inf") if written.min is None else written.min
    high = float("inf") if written.max is None else written.max
    values = tuple(v for v in limits.values or () if not isinstance(v, str) and low <= v <= high)
    if not values:
        entry.wrong((), f"no value of {entry.name} is in this range", f"it can be {limits}", on_key=True)
        return None
    return limits.model_copy(update={"values": values})


def _read_values(entry: _Entry, kind: ResourceKind) -> tuple[Scalar, ...]:
    values: list[Scalar] = []
    for index, raw in enumerate(entry.written.values or ()):
        try:
            value = kind.read(raw)
        except Mistake as mistake:
            entry.wrong(("values", index), mistake.what, mistake.fix)
            continue
        if value in values:
            entry.wrong(("values", index), f"{shown(raw)} is the same amount as another value", "name each once")
        values.append(value)
    return tuple(values) if len(values) == len(entry.written.values or ()) else ()


def _default(entry: _Entry, domain: Domain, read: Callable[[Scalar], Scalar | None], otherwise: Scalar) -> Scalar:
    """The user's default, which has to be in the range; else ``otherwise``, which need not be."""
    raw = entry.written.default
    if raw is None:
        return otherwise
    try:
        value = read(raw)
    except Mistake as mistake:
        entry.wrong("default", mistake.what, mistake.fix)
        return otherwise
    if value is None:
        entry.wrong("default", f"the default {shown(raw)} is not of type {domain.kind}", f"write {_a(domain.kind)}")
    elif not domain.contains(value):
        entry.wrong("default", f"the default {shown(raw)} is outside of the range", f"choose from {domain}")
    return otherwise if value is None else value


def _a(kind: str) -> str:
    return {"int": "a whole number", "float": "a number"}.get(kind, "one of its values")
