"""The JSON document that Rego sees: the input with what follows from it worked out.

Policy engines differ in how they calculate and print numbers. So the sums and ratios are worked out here, once; every
number has at most six decimals and at most fifteen digits, which every engine compares alike.
"""

from __future__ import annotations

from typing import Any

from tuner.engine.workload import Workload
from tuner.policy.model import PolicyDocument, PolicyInput, PolicySide
from tuner.policy.waiver import days_left

__all__ = ["policy_document"]

_LARGEST = 10**9
_LARGEST_WHOLE = 2**53
_DECIMALS = 6


def policy_document(given: PolicyDocument) -> dict[str, Any]:
    """The input as plain JSON, with the days that each waiver still counts.

    A recommendation has ``fleet`` on each side and in all ``relative``: candidate over what is there.
    ``fleet`` is all replicas together, at the lower end of the candidate's capacity. A ratio is null where one of its
    sides is unknown or the lower one is zero. ValueError for a number that the engines would not agree on (a fraction
    above 1e9, a whole number above 2**53).
    """
    document = given.model_dump(mode="json")
    for waiver, entry in zip(given.waivers, document["waivers"], strict=True):
        entry["days"] = days_left(waiver, given.date)
    if isinstance(given, PolicyInput):
        _compare(given, document)
    exact: dict[str, Any] = _exact(document)
    return exact


def _compare(given: PolicyInput, document: dict[str, Any]) -> None:
    deployed = given.deployed or given.baseline.workload
    document["deployed"] = deployed.model_dump(mode="json")
    document["baseline"]["fleet"] = _fleet(given.baseline, given.baseline.capacity.value)
    document["candidate"]["fleet"] = _fleet(given.candidate, given.candidate.capacity.low)
    document["relative"] = _relative(given, deployed)


def _fleet(side: PolicySide, capacity: float) -> dict[str, Any]:
    replicas = side.workload.replicas
    return {
        "capacity": capacity * replicas,
        "hourly_cost": side.hourly_cost * replicas,
        "cost_per_million": _ratio(side.hourly_cost * 1e6, capacity * 3600),
        "gpus": {resource: count * replicas for resource, count in side.workload.resources.gpus.items()},
    }


def _relative(given: PolicyInput, deployed: Workload) -> dict[str, Any]:
    baseline, candidate = given.baseline, given.candidate
    before, after = deployed.resources, candidate.workload.resources
    replicas = (baseline.workload.replicas, candidate.workload.replicas)
    return {
        "capacity": _ratio(candidate.capacity.low * replicas[1], baseline.capacity.value * replicas[0]),
        "expected_load": _ratio(candidate.capacity.low * replicas[1], given.expected_load),
        "hourly_cost": _ratio(candidate.hourly_cost * replicas[1], baseline.hourly_cost * replicas[0]),
        "monthly_cost": _ratio(candidate.monthly_cost, baseline.monthly_cost),
        "replicas": _ratio(candidate.workload.replicas, deployed.replicas),
        "cpu": _ratio(after.cpu, before.cpu),
        "memory": _ratio(after.memory, before.memory),
        "gpus": _ratio(sum(after.gpus.values()), sum(before.gpus.values())),
    }


def _ratio(above: float | None, below: float | None) -> float | None:
    return above / below if above is not None and below else None


def _exact(value: Any) -> Any:
    """The value with fractions rounded to six decimals, whole ones written as whole numbers."""
    kind = type(value)  # plain JSON: no subclasses
    if kind is dict:
        return {name: _exact(inner) for name, inner in value.items()}
    if kind is list:
        return [_exact(inner) for inner in value]
    if kind is int and abs(value) > _LARGEST_WHOLE:
        raise ValueError(f"{value} is too large a number for a policy")
    return _rounded(value) if kind is float else value


def _rounded(value: float) -> int | float:
    if not abs(value) <= _LARGEST:
        raise ValueError(f"{value:g} is too large a number for a policy")
    rounded = round(value, _DECIMALS)
    return int(rounded) if rounded.is_integer() else rounded
