from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testbed.toolbox import Toolbox
from tuner.engine.workload import Resources, Workload
from tuner.measurement.model import Interval
from tuner.policy.bundle import PolicyBundle
from tuner.policy.embedded import EmbeddedEngine
from tuner.policy.model import PolicyEngine, PolicyInput, PolicySide
from tuner.policy.point import AdmissionInput, Moment, RolloutInput, RolloutStep
from tuner.policy.rollback import Rollback
from tuner.policy.server import OpaServer


def workload(*, replicas: int = 2, gpus: dict[str, int] | None = None) -> Workload:
    image = f"nvcr.io/nvidia/tritonserver@sha256:{'a' * 64}"
    resources = Resources(cpu=2, memory=4 * 2**30, gpus=gpus or {})
    return Workload(image=image, resources=resources, replicas=replicas)


def side(capacity: float, hourly: float = 0.1) -> PolicySide:
    return PolicySide(
        workload=workload(),
        workload_digest=f"sha256:{capacity}",
        capacity=Interval(value=capacity, low=capacity * 0.95, high=capacity * 1.05),
        latency={"p99": 0.031},
        latency_interval={"p99": Interval(value=0.031, low=0.029, high=0.034)},
        error_rate=0.0,
        cost_per_million=hourly / capacity / 3600 * 1e6,
        hourly_cost=hourly,
        monthly_cost=hourly * 730,
    )


MANIFEST = "configs/orientation/deployment.yaml"
WAY_BACK = Rollback(commit="b" * 40, files={MANIFEST: f"sha256:{'c' * 64}"}, history=10)


@pytest.fixture
def allowed() -> PolicyInput:
    """An input that the default policies allow without a warning."""
    return PolicyInput(
        service="orientation",
        labels={"team": "vision"},
        slo={"p99": 0.05},
        slo_error_rate=0.001,
        currency="USD",
        baseline=side(500),
        candidate=side(1000),
        compared_load=450.5,
        ratio=Interval(value=2, low=1.8, high=2.2),
        confidence=0.95,
        trials=20,
        blocks=6,
        changes=("instances", "batch"),
        files=(MANIFEST,),
        rollback=WAY_BACK,
        date="2026-03-02",
    )


@pytest.fixture
def admitted() -> AdmissionInput:
    """An input that the default policies admit without a warning."""
    return AdmissionInput(
        service="orientation",
        labels={"team": "vision"},
        team="vision",
        engine="triton",
        image=workload().image,
        currency="USD",
        trials=40,
        wall_clock=3600,
        money=0.25,
        gpus={},
        time=Moment(date="2026-03-02", weekday=1, hour=12.5),
    )


@pytest.fixture
def planned() -> RolloutInput:
    """A roll-out that the default policies allow without a warning."""
    return RolloutInput(
        service="orientation",
        labels={"team": "vision"},
        steps=(
            RolloutStep(weight=10, pause=300, analyses=("latency",)),
            RolloutStep(weight=50, pause=None),
        ),
        templates=("latency",),
        surge=1,
        gpus={},
        deployed=workload(),
        files=(MANIFEST,),
        rollback=WAY_BACK,
        date="2026-03-02",
    )


@pytest.fixture(scope="session")
def default_bundle() -> PolicyBundle:
    return PolicyBundle.default()


@pytest.fixture(scope="session")
def opa_program() -> Path:
    return Toolbox().path("opa")


@pytest.fixture(scope="session")
def opa(opa_program: Path, default_bundle: PolicyBundle) -> Iterator[PolicyEngine]:
    with OpaServer(opa_program, default_bundle) as engine:
        yield engine


@pytest.fixture(params=["embedded", pytest.param("opa", marks=pytest.mark.real)])
def default_engine(request: pytest.FixtureRequest, default_bundle: PolicyBundle) -> PolicyEngine:
    """Each kind of engine in turn, with the default policies."""
    if request.param == "embedded":
        return EmbeddedEngine(default_bundle)
    made: PolicyEngine = request.getfixturevalue("opa")
    return made


EngineOf = Callable[[PolicyBundle], PolicyEngine]


@pytest.fixture(params=["embedded", pytest.param("opa", marks=pytest.mark.real)])
def engine_of(request: pytest.FixtureRequest) -> Iterator[EngineOf]:
    """Makes an engine, of each kind in turn, for a bundle."""
    if request.param == "embedded":
        yield EmbeddedEngine
        return
    program = request.getfixturevalue("opa_program")
    servers: list[OpaServer] = []

    def start(bundle: PolicyBundle) -> PolicyEngine:
        servers.append(OpaServer(program, bundle))
        return servers[-1].__enter__()

    yield start
    for server in servers:
        server.__exit__(None, None, None)
