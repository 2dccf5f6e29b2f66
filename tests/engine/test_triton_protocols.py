"""Triton asked over HTTP and over gRPC: prepared requests, sent by the load generator, get the same answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from tests.engine.conftest import REPOSITORY, Start, ask, eventually
from tuner.engine.protocol import ClientProtocol
from tuner.engine.simulator import SimulatorEngine
from tuner.engine.triton import message
from tuner.engine.triton.engine import TritonEngine
from tuner.engine.workload import Workload
from tuner.errors import UserError
from tuner.load.generator import LocustGenerator
from tuner.load.protocol import LoadPlan
from tuner.manifest.manifest import Manifest
from tuner.spec.model import Payload


@pytest.fixture
def workload() -> Workload:
    """The demo service as its manifest has it."""
    return Manifest.load(
        lambda path: (REPOSITORY / path).read_bytes(), "configs/text-orientation/deployment.yaml", "triton"
    ).workload


@pytest.mark.real
@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_every_prepared_request_is_answered_under_load(
    protocol: ClientProtocol,
    triton_home: Path,
    workload: Workload,
    orientation_model: Path,
    start: Start,
    payload: Payload,
    sample_folder: Path,
) -> None:
    engine = TritonEngine(triton_home)
    requests = engine.requests(payload, sample_folder, workload, protocol)
    with start(engine, workload, orientation_model) as running, LocustGenerator() as generator:
        assert eventually(lambda: engine.ready(running.endpoint)), running.said()
        result = generator.run(
            LoadPlan(
                endpoint=running.endpoint,
                requests=requests,
                arrivals="poisson",
                rate=60.0,
                duration=2.0,
                seed=1,
                timeout=20.0,
                bounds=((99.0, 20.0),),
            )
        )
    assert (result.answered, result.failed) == (120, {})
    assert len(result.answer_lengths) == 1


@pytest.mark.real
def test_a_call_gets_the_scores_that_http_gets(
    triton_home: Path,
    workload: Workload,
    orientation_model: Path,
    start: Start,
    payload: Payload,
    sample_folder: Path,
) -> None:
    engine = TritonEngine(triton_home)
    with start(engine, workload, orientation_model) as running:
        assert eventually(lambda: engine.ready(running.endpoint)), running.said()
        by_http = []
        for request in engine.requests(payload, sample_folder, workload):
            _, headers, body = ask(running.endpoint, request)
            by_http.append(np.frombuffer(body[int(headers["Inference-Header-Content-Length"]) :], "<f4"))
        with grpc.insecure_channel(f"127.0.0.1:{running.endpoint.ports.grpc}") as channel:
            by_grpc = []
            for request in engine.requests(payload, sample_folder, workload, "grpc"):
                call: Any = channel.unary_unary(request.path)
                answer = message.service().ModelInferResponse.FromString(call(request.body))
                by_grpc.append(np.frombuffer(answer.raw_output_contents[0], "<f4"))
    assert np.allclose(by_http, by_grpc, atol=1e-4)


@pytest.mark.real
def test_a_call_that_triton_refuses_fails_with_its_status(
    triton_home: Path, workload: Workload, orientation_model: Path, start: Start, payload: Payload, sample_folder: Path
) -> None:
    engine = TritonEngine(triton_home)
    (request, *_) = engine.requests(payload, sample_folder, workload, "grpc")
    other = message.service().ModelInferRequest.FromString(request.body)
    other.model_name = "unknown"
    asked = request.model_copy(update={"body": other.SerializeToString()})
    with start(engine, workload, orientation_model) as running, LocustGenerator() as generator:
        assert eventually(lambda: engine.ready(running.endpoint)), running.said()
        result = generator.run(
            LoadPlan(
                endpoint=running.endpoint,
                requests=(asked,),
                arrivals="constant",
                rate=50.0,
                duration=0.4,
                seed=1,
                timeout=5.0,
                bounds=(),
            )
        )
    assert result.failed == {"grpc-5": 20}


def test_a_protocol_that_an_engine_does_not_speak_is_refused(
    workload: Workload, payload: Payload, sample_folder: Path
) -> None:
    with pytest.raises(UserError, match="the simulator is not asked by 'grpc'"):
        SimulatorEngine().requests(payload, sample_folder, Workload(image="simulator"), "grpc")
    with pytest.raises(UserError, match="Triton is not asked by 'stream'"):
        TritonEngine().requests(payload, sample_folder, workload, "stream")
