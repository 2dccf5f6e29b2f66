"""A trace that a spec names is read from the campaign's commit, and what is wrong with it is told before any trial."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.campaign.service import SPEC_PATH, Service, spec_text
from tuner.campaign.inputs import Inputs, read_inputs
from tuner.engine.registry import engine_named
from tuner.errors import UserError
from tuner.load.arrivals import Gamma, Trace
from tuner.repository.repository import Repository

Make = Callable[..., Service]
TRACE = "configs/echo/traffic/monday.txt"


def spec_with(arrivals: str) -> str:
    return spec_text().replace("load:\n", f"load:\n  arrivals: {arrivals}\n")


def inputs_of(service: Service) -> Inputs:
    repository = Repository.open(service.repository)
    return read_inputs(repository.snapshot(repository.resolve("main")), SPEC_PATH, engine_named)


def test_the_trace_is_that_of_the_commit(make_service: Make) -> None:
    service = make_service({TRACE: "1.5\n2\n4\n"})
    service.write({SPEC_PATH: spec_with("{kind: trace, file: traffic/monday.txt}")})
    (service.repository / TRACE).write_text("not committed\n")
    inputs = inputs_of(service)
    assert inputs.arrivals == Trace.of([1.5, 2.0, 4.0])
    assert inputs.digests[TRACE].startswith("git:")


def test_other_arrivals_come_from_the_spec_alone(make_service: Make) -> None:
    service = make_service()
    service.write({SPEC_PATH: spec_with("{kind: gamma, cv: 3}")})
    assert inputs_of(service).arrivals == Gamma(3.0)


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, f"{SPEC_PATH}:9:33: {TRACE} is not in the repository"),
        ({TRACE: ""}, f"{TRACE}:1:1: a trace needs timestamps that differ, and this one has none"),
        ({TRACE: "1\n2\nlater\n"}, f"{TRACE}:3:1: 'later' is not a timestamp"),
        ({f"{TRACE}/1": "1\n2\n"}, "traffic/monday.txt' is a folder"),
    ],
)
def test_a_bad_trace_is_told_before_any_trial(make_service: Make, files: dict[str, str], told: str) -> None:
    service = make_service(files)
    service.write({SPEC_PATH: spec_with("{kind: trace, file: traffic/monday.txt}")})
    with pytest.raises(UserError) as refused:
        inputs_of(service)
    assert told in str(refused.value)


def test_a_plan_reads_the_trace(make_service: Make) -> None:
    service = make_service({TRACE: "2\n1\n"})
    service.write({SPEC_PATH: spec_with("{kind: trace, file: traffic/monday.txt}")})
    done = service.tuner("plan", str(service.repository / SPEC_PATH), expect=2)
    assert f"{TRACE}:2:1: 1 is earlier than the line before" in done.stderr + done.stdout
