"""Parameters that land outside the engine's configuration: arguments, environment variables, fields of the manifest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tuner.engine.workload import Resources, Workload
from tuner.errors import UserError
from tuner.space.assignment import Assignment
from tuner.space.parameter import Parameter
from tuner.spec.model import Scalar
from tuner.spec.quantity import parse_bytes, parse_cores

__all__ = ["land", "read_landed"]

_LABEL = "nodeSelector."


def land(parameters: Iterable[Parameter], assignment: Assignment, workload: Workload) -> Workload:
    """The workload with every value of the assignment whose parameter lands outside the engine.

    What has its value already stays as it is written; a value equal to a default that nothing sets is not written.
    UserError for a value that its target cannot hold.
    """
    parameters = tuple(parameters)
    now = read_landed(parameters, workload)
    for parameter in parameters:
        name = parameter.name
        if name in assignment and name in now and not _equal(parameter, assignment[name], now[name]):
            workload = _landed(parameter, assignment[name], workload)
    return workload


def read_landed(parameters: Iterable[Parameter], workload: Workload) -> Mapping[str, Scalar]:
    """What the workload has now for each parameter that lands outside the engine; its default where it says nothing."""
    found: dict[str, Scalar] = {}
    for parameter in parameters:
        target = parameter.target
        if target.argument is not None:
            found[parameter.name] = _typed(parameter, workload.argument(target.argument))
        elif target.environment is not None:
            found[parameter.name] = _typed(parameter, workload.environment.get(target.environment))
        elif target.manifest is not None:
            found[parameter.name] = _field(parameter, target.manifest, workload)
    return found


def _landed(parameter: Parameter, value: Scalar, workload: Workload) -> Workload:
    target = parameter.target
    if target.argument is not None:
        arguments = _with_argument(workload.arguments, target.argument, _spelled(value))
        return workload.model_copy(update={"arguments": arguments})
    if target.environment is not None:
        environment = {**workload.environment, target.environment: _spelled(value)}
        return workload.model_copy(update={"environment": environment})
    field = str(target.manifest)
    if field == "replicas":
        return workload.model_copy(update={"replicas": _count(parameter, value)})
    if field.startswith(_LABEL):
        labels = {**workload.node_selector, field.removeprefix(_LABEL): str(value)}
        return workload.model_copy(update={"node_selector": labels})
    return workload.model_copy(update={"resources": _with_resource(parameter, value, workload.resources)})


def _with_argument(arguments: tuple[str, ...], flag: str, value: str) -> tuple[str, ...]:
    """``--flag=value`` and ``--flag value`` are both changed where they stand, the last one as it wins."""
    for index in range(len(arguments) - 1, -1, -1):
        if arguments[index].startswith(f"{flag}="):
            return (*arguments[:index], f"{flag}={value}", *arguments[index + 1 :])
        if arguments[index] == flag and index + 1 < len(arguments):
            return (*arguments[: index + 1], value, *arguments[index + 2 :])
    return (*arguments, f"{flag}={value}")


def _with_resource(parameter: Parameter, value: Scalar, resources: Resources) -> Resources:
    field = str(parameter.target.manifest).removeprefix("resources.")
    try:
        if field == "cpu":
            return resources.model_copy(update={"cpu": parse_cores(value)})
        if field == "memory":
            return resources.model_copy(update={"memory": parse_bytes(value)})
        if field == "gpu":
            return resources.model_copy(update={"gpus": {str(value): 1}})
    except ValueError as error:
        raise UserError.of(f"parameters.{parameter.name}: {error}", "correct the value") from error
    gpus = {name: count for name, count in resources.gpus.items() if name != field}
    count = _count(parameter, value)
    return resources.model_copy(update={"gpus": {**gpus, field: count} if count else gpus})


def _field(parameter: Parameter, target: str, workload: Workload) -> Scalar:
    """The value of a manifest field, in the spelling of the parameter's own values where one of them equals it."""
    found: Scalar | None
    if target == "replicas":
        found = workload.replicas
    elif target == "resources.cpu":
        found = workload.resources.cpu
    elif target == "resources.memory":
        found = workload.resources.memory
    elif target == "resources.gpu":
        found = next(iter(sorted(name for name, count in workload.resources.gpus.items() if count)), None)
    elif target.startswith(_LABEL):
        found = workload.node_selector.get(target.removeprefix(_LABEL))
    elif target.startswith("resources.") and "/" in target:
        found = workload.resources.gpus.get(target.removeprefix("resources."), 0)
    else:
        raise UserError.of(
            f"parameters.{parameter.name}: no field is called {target!r}",
            "use replicas, resources.cpu, resources.memory, resources.gpu, resources.<gpu> or nodeSelector.<label>",
        )
    if found is None:
        return parameter.default
    for known in (*(parameter.domain.values or ()), parameter.default):
        if _equal(parameter, known, found):
            return known
    return found


def _equal(parameter: Parameter, one: Scalar, other: Scalar) -> bool:
    """Do both mean the same? Quantities are compared as amounts, all else by type and value."""
    field = parameter.target.manifest
    try:
        if field == "resources.cpu":
            return parse_cores(one) == parse_cores(other)
        if field == "resources.memory":
            return parse_bytes(one) == parse_bytes(other)
    except ValueError:
        return False
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _count(parameter: Parameter, value: Scalar) -> int:
    if isinstance(value, (bool, str)) or value != int(value) or value < 0:
        raise UserError.of(f"parameters.{parameter.name}: {value!r} is no number of things", "use whole numbers")
    return int(value)


def _spelled(value: Scalar) -> str:
    """How a command line or an environment variable says it: ``true``, ``4``, ``0.9``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return str(value)


def _typed(parameter: Parameter, raw: str | None) -> Scalar:
    """The value that a text stands for: the domain's own value where one is spelled so, else by the domain's kind."""
    if raw is None:
        return parameter.default
    for known in (*(parameter.domain.values or ()), parameter.default):
        if _spelled(known) == raw:
            return known
    kinds = {type(known) for known in (*(parameter.domain.values or ()), parameter.default)}
    try:
        if parameter.domain.kind == "int" or kinds == {int}:
            return int(raw)
        if parameter.domain.kind == "float" or kinds <= {int, float}:
            return float(raw)
    except ValueError:
        return raw
    return raw
