"""The file-type service of the repository: its spec fits its manifest, and real Triton tells the types of files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from testbed import file_samples, serving
from tests.engine.conftest import REPOSITORY, Start, ask, eventually
from tuner.engine.triton.engine import TritonEngine
from tuner.engine.workload import Workload
from tuner.manifest.manifest import Manifest
from tuner.space.assignment import Assignment
from tuner.space.build import build_space
from tuner.spec.loading import load_spec
from tuner.spec.model import TuningSpec

SERVICE = REPOSITORY / "configs" / "file-type"
LABELS = "lib/python3.*/site-packages/magika/models/standard_v3_3/config.min.json"


@pytest.fixture
def spec() -> TuningSpec:
    return load_spec((SERVICE / "tuning.yaml").read_bytes(), "tuning.yaml").spec


@pytest.fixture
def workload() -> Workload:
    return Manifest.load(lambda path: (SERVICE / path).read_bytes(), "deployment.yaml", "triton").workload


def test_what_is_deployed_lies_in_the_space(workload: Workload) -> None:
    loaded = load_spec((SERVICE / "tuning.yaml").read_bytes(), "tuning.yaml")
    engine = TritonEngine()
    space = build_space(loaded, engine.parameters())
    found = engine.read(workload)
    assert space.contains(space.complete({**found, "memory": workload.resources.memory or 0}))
    assert loaded.spec.prices.cpu.amount > 0
    assert workload.resources.cpu == 1


def test_a_file_is_told_by_both_of_its_ends() -> None:
    short = file_samples.features(b"  first\nlast \n")
    assert bytes(short[:6].astype(np.uint8)) == b"first\n"
    assert bytes(short[-4:].astype(np.uint8)) == b"last"
    assert set(short[20:-20].tolist()) == {256}
    long = file_samples.features(b"a" * 5000 + b"b" * 5000)
    assert set(long[:1024].tolist()) == {ord("a")}
    assert set(long[1024:].tolist()) == {ord("b")}


def test_the_same_seed_makes_the_same_files() -> None:
    again = [file_samples.make(len(file_samples.KINDS), seed=seed) for seed in (1, 1, 2)]
    assert again[0] == again[1]
    assert again[0] != again[2]
    assert [kind for kind, _ in again[0]] == list(file_samples.KINDS)


@pytest.mark.real
@pytest.mark.parametrize(
    "change",
    [{}, {"max_batch_size": 8, "dynamic_batching": True, "instance_count": 2, "graph_optimization": "basic"}],
)
def test_files_of_every_kind_are_told_apart(
    triton_home: Path, spec: TuningSpec, workload: Workload, start: Start, tmp_path: Path, change: dict[str, int]
) -> None:
    model, folder = tmp_path / "model", tmp_path / "samples"
    shutil.copytree(SERVICE / "model", model, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(serving.onnx_model(triton_home, "file-type"), model / "1" / "model.onnx")
    file_samples.write(folder, count=2 * len(file_samples.KINDS))
    engine = TritonEngine(triton_home)
    applied = engine.apply(Assignment(change), workload)
    requests = engine.requests(spec.load.payload, folder, applied)
    with start(engine, applied, model) as running:
        assert eventually(lambda: engine.ready(running.endpoint)), running.said()
        answers = [ask(running.endpoint, request) for request in requests]
    assert {status for status, _, _ in answers} == {200}
    (labels,) = triton_home.glob(LABELS)
    names = json.loads(labels.read_text())["target_labels_space"]
    lengths = [int(headers["Inference-Header-Content-Length"]) for _, headers, _ in answers]
    scores = [np.frombuffer(body[length:], dtype="<f4") for (_, _, body), length in zip(answers, lengths, strict=True)]
    told = [names[int(score.argmax())] for score in scores]
    wrong = [pair for pair in zip(np.load(folder / "type.npy").tolist(), told, strict=True) if pair[0] != pair[1]]
    assert len(wrong) <= len(told) // 10, f"told wrong: {wrong}"
