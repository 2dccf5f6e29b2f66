"""Parameters land where their target says, and are read back from there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.engine.workload import Resources, Workload
from tuner.errors import UserError
from tuner.manifest.landing import land, read_landed
from tuner.space.assignment import Assignment
from tuner.space.parameter import Domain, Parameter
from tuner.spec.model import Scalar, Target

WORKLOAD = Workload(
    image="i",
    arguments=("--threads", "8", "--level=info", "--verbose"),
    environment={"ARENAS": "2"},
    resources=Resources(cpu=1, memory=1 << 30, gpus={"nvidia.com/gpu": 1}),
)


def parameter(name: str, domain: Domain, default: Scalar, **target: str) -> Parameter:
    return Parameter(name=name, domain=domain, default=default, target=Target.model_validate(target))


INT = Domain(kind="int", low=1, high=64, step=1)
PARAMETERS = (
    parameter("threads", INT, 4, argument="--threads"),
    parameter("level", Domain(kind="categorical", values=("info", "off")), "info", argument="--level"),
    parameter("share", Domain(kind="float", low=0, high=1), 0.5, argument="--share"),
    parameter("arenas", INT, 1, environment="ARENAS"),
    parameter("eager", Domain(kind="categorical", values=(False, True)), False, environment="EAGER"),
    parameter("replicas", INT, 1, manifest="replicas"),
    parameter("cpu", Domain(kind="float", low=0.1, high=8), 1.0, manifest="resources.cpu"),
    parameter("memory", Domain(kind="ordinal", values=(1 << 29, 1 << 30)), 1 << 30, manifest="resources.memory"),
    parameter("slices", Domain(kind="int", low=0, high=7, step=1), 0, manifest="resources.nvidia.com/mig-1g.10gb"),
    parameter(
        "product",
        Domain(kind="categorical", values=("A100", "H100")),
        "A100",
        manifest="nodeSelector.nvidia.com/gpu.product",
    ),
)
GPU = parameter(
    "gpu",
    Domain(kind="categorical", values=("nvidia.com/gpu", "nvidia.com/mig-1g.10gb")),
    "nvidia.com/gpu",
    manifest="resources.gpu",
)


def test_what_is_there_is_read_and_the_rest_is_the_default() -> None:
    assert read_landed(PARAMETERS, WORKLOAD) == {
        "threads": 8,
        "level": "info",
        "share": 0.5,
        "arenas": 2,
        "eager": False,
        "replicas": 1,
        "cpu": 1.0,
        "memory": 1 << 30,
        "slices": 0,
        "product": "A100",
    }


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "threads": st.integers(1, 64),
            "level": st.sampled_from(["info", "off"]),
            "share": st.floats(0, 1, allow_nan=False),
            "arenas": st.integers(1, 64),
            "eager": st.booleans(),
            "replicas": st.integers(1, 64),
            "cpu": st.sampled_from([0.1, 0.5, 1.0, 2.5]),
            "memory": st.sampled_from([1 << 29, 1 << 30]),
            "slices": st.integers(0, 7),
            "product": st.sampled_from(["A100", "H100"]),
        },
    )
)
def test_what_landed_is_read_back(values: dict[str, Scalar]) -> None:
    assignment = Assignment(values)
    landed = land(PARAMETERS, assignment, WORKLOAD)
    read = read_landed(PARAMETERS, landed)
    assert {name: read[name] for name in assignment} == dict(assignment)
    assert {name: type(read[name]) for name in assignment} == {name: type(assignment[name]) for name in assignment}
    assert land(PARAMETERS, assignment, landed) == landed
    others = {name: value for name, value in read_landed(PARAMETERS, WORKLOAD).items() if name not in assignment}
    assert {name: read[name] for name in others} == others


def test_both_spellings_of_an_argument_are_kept() -> None:
    landed = land(PARAMETERS, Assignment({"threads": 2, "level": "off", "share": 0.25}), WORKLOAD)
    assert landed.arguments == ("--threads", "2", "--level=off", "--verbose", "--share=0.25")


def test_the_last_of_two_arguments_is_the_one_that_counts() -> None:
    twice = WORKLOAD.model_copy(update={"arguments": ("--threads=1", "--threads=2")})
    assert land(PARAMETERS, Assignment({"threads": 3}), twice).arguments == ("--threads=1", "--threads=3")


def test_what_is_so_already_stays_as_it_is_written() -> None:
    assert land(PARAMETERS, Assignment(read_landed(PARAMETERS, WORKLOAD)), WORKLOAD) is WORKLOAD


def test_a_default_that_nothing_sets_is_not_written() -> None:
    assert land(PARAMETERS, Assignment({"eager": False, "share": 0.5, "slices": 0}), WORKLOAD) is WORKLOAD


def test_one_gpu_resource_takes_the_place_of_another() -> None:
    landed = land((GPU,), Assignment({"gpu": "nvidia.com/mig-1g.10gb"}), WORKLOAD)
    assert landed.resources.gpus == {"nvidia.com/mig-1g.10gb": 1}
    assert read_landed((GPU,), landed) == {"gpu": "nvidia.com/mig-1g.10gb"}


def test_no_slice_at_all_takes_the_resource_away() -> None:
    some = land(PARAMETERS, Assignment({"slices": 2}), WORKLOAD)
    assert some.resources.gpus == {"nvidia.com/gpu": 1, "nvidia.com/mig-1g.10gb": 2}
    assert land(PARAMETERS, Assignment({"slices": 0}), some) == WORKLOAD


def test_values_may_be_written_as_quantities() -> None:
    landed = land(PARAMETERS, Assignment({"memory": "2Gi", "cpu": "500m"}), WORKLOAD)
    assert (landed.resources.memory, landed.resources.cpu) == (2 << 30, 0.5)


def test_parameters_of_the_engine_are_left_to_it() -> None:
    own = parameter("max_batch_size", INT, 1, engine="max_batch_size")
    assert read_landed((own,), WORKLOAD) == {}
    assert land((own,), Assignment({"max_batch_size": 8}), WORKLOAD) is WORKLOAD


@pytest.mark.parametrize(
    ("target", "value", "complaint"),
    [
        ("replicas", 1.5, "no number of things"),
        ("resources.cpu", "lots", "not a CPU quantity"),
    ],
)
def test_what_a_target_cannot_hold_is_a_mistake(target: str, value: Scalar, complaint: str) -> None:
    wrong = parameter("x", INT, 1, manifest=target)
    with pytest.raises(UserError, match=complaint):
        land((wrong,), Assignment({"x": value}), WORKLOAD)
