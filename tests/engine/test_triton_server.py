"""Triton itself: what its adapter says of it is so, a broken model fails at once, and the model's answers are right."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.engine.conftest import REPOSITORY, Start, ask, eventually, free_ports
from tuner.engine.protocol import HttpRequest
from tuner.engine.triton.engine import TritonEngine
from tuner.engine.workload import Workload
from tuner.errors import UserError
from tuner.manifest.manifest import Manifest
from tuner.space.assignment import Assignment
from tuner.spec.model import Payload

pytestmark = pytest.mark.real
PBTXT = "/models/text-orientation/config.pbtxt"


@pytest.fixture
def engine(triton_home: Path) -> TritonEngine:
    return TritonEngine(triton_home)


@pytest.fixture
def workload() -> Workload:
    """The demo service as its manifest has it."""
    return Manifest.load(
        lambda path: (REPOSITORY / path).read_bytes(), "configs/text-orientation/deployment.yaml", "triton"
    ).workload


def scores(request: HttpRequest, headers: dict[str, str], body: bytes) -> np.ndarray:
    """The binary tensor behind the JSON header."""
    return np.frombuffer(body[int(headers["Inference-Header-Content-Length"]) :], dtype="<f4")


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"max_batch_size": 8, "dynamic_batching": True, "max_queue_delay_us": 1000, "preferred_batch_size": 4},
        {"instance_count": 2, "intra_op_threads": 1, "graph_optimization": "basic", "memory_arena": False},
        {"execution_mode": "parallel", "inter_op_threads": 2, "inter_op_spinning": False, "intra_op_spinning": False},
    ],
)
def test_upright_and_turned_lines_are_told_apart_in_every_configuration(
    engine: TritonEngine,
    workload: Workload,
    orientation_model: Path,
    start: Start,
    payload: Payload,
    sample_folder: Path,
    turned: list[bool],
    change: dict[str, int],
) -> None:
    applied = engine.apply(Assignment(change), workload)
    requests = engine.requests(payload, sample_folder, applied)
    with start(engine, applied, orientation_model) as running:
        assert eventually(lambda: engine.ready(running.endpoint)), running.said()
        answers = [ask(running.endpoint, request) for request in requests]
    assert {status for status, _, _ in answers} == {200}
    found = [
        bool(scores(request, dict(headers), body).argmax() == 1)
        for request, (_, headers, body) in zip(requests, answers, strict=True)
    ]
    wrong = sum(one != other for one, other in zip(found, turned, strict=True))
    assert True in turned
    assert False in turned
    assert wrong <= len(turned) // 20, f"{wrong} of {len(turned)} lines are told wrong"
    assert len({len(body) for _, _, body in answers}) == 1


def test_onnx_runtimes_own_defaults_are_the_knobs_defaults(triton_home: Path, engine: TritonEngine) -> None:
    script = """
import json, onnxruntime
o = onnxruntime.SessionOptions()
print(json.dumps({
    "intra_op_threads": o.intra_op_num_threads,
    "inter_op_threads": o.inter_op_num_threads,
    "execution_mode": o.execution_mode.name.removeprefix("ORT_").lower(),
    "graph_optimization": o.graph_optimization_level.name.removeprefix("ORT_ENABLE_").lower(),
    "memory_arena": o.enable_cpu_mem_arena,
    "memory_pattern": o.enable_mem_pattern,
}))"""
    told = subprocess.run([str(triton_home / "bin/python"), "-c", script], capture_output=True, check=True)
    defaults = {parameter.name: parameter.default for parameter in engine.parameters()}
    for name, value in json.loads(told.stdout).items():
        assert defaults[name] == value, name


def test_the_default_number_of_http_threads_is_tritons_own(
    engine: TritonEngine, workload: Workload, orientation_model: Path, start: Start
) -> None:
    def threads(*arguments: str) -> int:
        chosen = workload.model_copy(update={"arguments": arguments})
        with start(engine, chosen, orientation_model) as running:
            assert eventually(lambda: "Started Metrics Service" in running.said()), running.said()
            return int(psutil.Process(running.process.pid).num_threads())

    (parameter,) = (parameter for parameter in engine.parameters() if parameter.name == "http_threads")
    unset, alone = threads(), threads("--http-thread-count=1")
    # a thread of Triton's own comes and goes, so one more or less says nothing
    assert abs(threads("--http-thread-count", str(parameter.default)) - unset) <= 1
    assert abs(unset - alone - (int(parameter.default) - 1)) <= 1


def copied(model: Path, folder: Path) -> Path:
    return Path(shutil.copytree(model, folder / "model"))


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("raise RuntimeError('no weights today')\n", "no weights today"),
        ("def broken(:\n", "SyntaxError|invalid syntax"),
        ("import a_module_that_is_not_there\n", "a_module_that_is_not_there"),
    ],
)
def test_a_model_that_does_not_load_ends_the_server_and_says_why(
    engine: TritonEngine,
    workload: Workload,
    orientation_model: Path,
    start: Start,
    tmp_path: Path,
    script: str,
    reason: str,
) -> None:
    model = copied(orientation_model, tmp_path)
    (model / "1/model.py").write_text(script)
    with start(engine, workload, model) as running:
        assert running.exit_code() != 0
        assert not engine.ready(running.endpoint)
        assert any(part in running.said() for part in reason.split("|"))


def test_weights_that_are_no_model_end_the_server(
    engine: TritonEngine, workload: Workload, orientation_model: Path, start: Start, tmp_path: Path
) -> None:
    model = copied(orientation_model, tmp_path)
    (model / "1/model.onnx").write_bytes(b"not a model")
    with start(engine, workload, model) as running:
        assert running.exit_code() != 0
        assert "model.onnx" in running.said()


def test_triton_refuses_what_the_adapter_calls_a_conflict(
    engine: TritonEngine, workload: Workload, orientation_model: Path, start: Start
) -> None:
    text = workload.files[PBTXT] + "dynamic_batching { preferred_batch_size: [ 8 ] }\n"
    with start(engine, workload.model_copy(update={"files": {PBTXT: text}}), orientation_model) as running:
        assert running.exit_code() != 0
        assert "preferred size must be <= max batch size" in running.said()
    assert engine.conflicts(Assignment({"preferred_batch_size": 8, "max_batch_size": 1}))


def test_a_request_of_the_wrong_shape_is_found_before_the_server_sees_it(
    engine: TritonEngine, workload: Workload, sample_folder: Path
) -> None:
    def refused(*inputs: Mapping[str, object]) -> str:
        with pytest.raises(UserError) as error:
            engine.requests(Payload.model_validate({"samples": "s", "inputs": inputs}), sample_folder, workload)
        return str(error.value)

    image = {"name": "image", "datatype": "UINT8", "shape": [48, 192, 3]}
    assert "has shape [48, 192, 3], not [48, 192]" in refused({**image, "shape": [48, 192]})
    assert "is UINT8, not FP32" in refused({**image, "datatype": "FP32"})
    assert "lacks the model's input 'image'" in refused({**image, "name": "picture"})
    assert "the model has no input 'other'" in refused(image, {**image, "name": "other"})


def test_a_model_folder_that_triton_cannot_serve_is_a_mistake(
    engine: TritonEngine, workload: Workload, orientation_model: Path, tmp_path: Path
) -> None:
    def refused(model: Path, chosen: Workload = workload) -> str:
        folder = tmp_path / f"trial-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        with pytest.raises(UserError) as error:
            engine.launch(chosen, model, folder, free_ports())
        return str(error.value)

    assert "does not exist" in refused(tmp_path / "nowhere")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "has no version" in refused(empty)
    (empty / "1").mkdir()
    assert "the model has no model.py" in refused(empty)
    (empty / "1/model.py").symlink_to("/etc/hostname")
    assert "holds a symbolic link" in refused(empty)
    other = workload.files[PBTXT].replace('backend: "python"', 'backend: "onnxruntime"')
    assert "has no backend 'onnxruntime'; it has python" in refused(
        orientation_model, workload.model_copy(update={"files": {PBTXT: other}})
    )
    sly = workload.files[PBTXT].replace('name: "text-orientation"', 'name: "../../escape"')
    assert "name is a path" in refused(orientation_model, workload.model_copy(update={"files": {PBTXT: sly}}))


def test_a_trial_writes_nothing_into_the_model_of_the_user(
    engine: TritonEngine, workload: Workload, orientation_model: Path, start: Start
) -> None:
    before = sorted(str(path) for path in orientation_model.rglob("*"))
    with start(engine, workload, orientation_model) as running:
        assert eventually(lambda: engine.ready(running.endpoint)), running.said()
    assert sorted(str(path) for path in orientation_model.rglob("*")) == before


def test_arguments_of_the_container_that_do_no_harm_are_kept(
    engine: TritonEngine, workload: Workload, orientation_model: Path, tmp_path: Path
) -> None:
    given = ("--http-thread-count", "4", "--http-port=80", "--model-repository", "/models", "--log-file=/tmp/x")
    launch = engine.launch(workload.model_copy(update={"arguments": given}), orientation_model, tmp_path, free_ports())
    assert "--http-thread-count=4" in launch.argv
    assert "--http-port=80" not in launch.argv
    assert not any("/models" in item.split("=")[-1][:8] or "log-file" in item for item in launch.argv)


def test_what_a_killed_server_leaves_is_named(
    engine: TritonEngine, workload: Workload, orientation_model: Path, tmp_path: Path
) -> None:
    launch = engine.launch(workload, orientation_model, tmp_path, free_ports())
    process = subprocess.Popen(
        launch.argv,
        env=launch.environment,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert eventually(lambda: engine.ready(launch.endpoint))
    finally:
        process.kill()
        process.wait()
    (pattern,) = launch.leftovers
    left = list(Path("/").glob(pattern.lstrip("/")))
    assert left
    for path in left:
        path.unlink()
