"""Servers at fault, measured as in a campaign: real load on a real process, and an outcome that says what it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.trial.conftest import until
from tuner.engine.protocol import HttpRequest
from tuner.engine.simulator import CONFIG, SimulatorEngine
from tuner.engine.workload import Resources, Workload
from tuner.load.generator import LocustGenerator
from tuner.measurement.course import measure
from tuner.measurement.model import Measurement
from tuner.space.assignment import Assignment
from tuner.spec.model import Load, Search, Slo
from tuner.trial.outcome import Failed, FailureKind, Outcome
from tuner.trial.process import ProcessBackend
from tuner.trial.protocol import Server
from tuner.trial.run import Candidate, run_trial

SLO = Slo.model_validate({"latency": {"p90": "100ms"}, "errorRate": "1%"})
SEARCH = Search.model_validate({"probe": "1s", "precision": "30%"})
LOAD = Load.model_validate(
    {"timeout": "400ms", "payload": {"samples": "s", "inputs": [{"name": "i", "datatype": "UINT8", "shape": [1]}]}}
)
REQUESTS = (HttpRequest(path="/v2/models/simulator/infer", body=bytes(2048), answer_bytes=64),)
Measured = Callable[..., tuple[Outcome, list[Measurement]]]


@pytest.fixture
def measured(backend: ProcessBackend, tmp_path: Path) -> Measured:
    """The outcome of a trial of the simulator with this setup, and what was measured where it came to that."""

    def run(**setup: object) -> tuple[Outcome, list[Measurement]]:
        seen: list[Measurement] = []

        def load(server: Server) -> Measurement:
            with LocustGenerator(server.generator_cpus) as generator:
                seen.append(
                    measure(
                        generator,
                        server.endpoint,
                        REQUESTS,
                        slo=SLO,
                        load=LOAD,
                        search=SEARCH,
                        seed=1,
                        check=server.check,
                    )
                )
            return seen[-1]

        workload = Workload(
            image="example/simulator:1",
            files={CONFIG: json.dumps(setup)},
            resources=Resources(cpu=1, memory=256 * 2**20),
        )
        trial = run_trial(
            Candidate(1, Assignment({}), workload),
            engine=SimulatorEngine(),
            backend=backend,
            model=tmp_path,
            measure=load,
            trials=tmp_path / "trials",
        )
        assert until(lambda: backend.reap() == 0)
        return trial.outcome, seen

    return run


@pytest.mark.parametrize("every", [1, 5])
@pytest.mark.parametrize(
    ("fault", "words"), [("reset", "reset"), ("stall", "timeout"), ("wrong-length", "length"), ("error", "http-500")]
)
def test_a_server_that_fails_requests_is_infeasible_and_says_how(
    measured: Measured, fault: str, words: str, every: int
) -> None:
    outcome, (measurement,) = measured(fault=fault, fault_every=every)
    assert isinstance(outcome, Failed)
    assert outcome.failure is FailureKind.INFEASIBLE
    assert f"requests failed ({words}" in outcome.reason
    assert measurement.capacity is None
    assert measurement.doubt is None
    assert f"requests failed ({words}" in measurement.reason
    assert measurement.reason.startswith("no request was answered well") == (every == 1)


def test_a_server_slower_than_the_slo_is_told_with_its_unloaded_latency(measured: Measured) -> None:
    outcome, (measurement,) = measured(base_us=15_000, item_us=0, fault="slow")
    assert isinstance(outcome, Failed)
    assert outcome.failure is FailureKind.INFEASIBLE
    assert "p90" in outcome.reason
    assert measurement.reason.startswith("the SLO is tighter than the unloaded latency (p50 15")
    assert measurement.unloaded["p50"] >= 0.15
    assert len(measurement.curve) == 1, "no load is tried that could tell nothing"


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("die", FailureKind.DIED, "exited under load with code 3"),
        ("leak", FailureKind.OUT_OF_MEMORY, "memory limit of 256 MiB under load"),
    ],
)
def test_a_server_that_ends_under_load_is_told_by_its_end(
    measured: Measured, fault: str, kind: FailureKind, words: str
) -> None:
    """Its refused and broken requests are no measurement."""
    outcome, measurements = measured(fault=fault, fault_after=30)
    assert isinstance(outcome, Failed)
    assert outcome.failure is kind
    assert words in outcome.reason
    assert outcome.measurement is None
    assert not measurements
