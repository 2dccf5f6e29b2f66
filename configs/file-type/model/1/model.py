"""File type: tell which of 214 content types a file has, by its first and its last bytes.

One INT16 vector [2048] (1,024 bytes of the beginning, 1,024 of the end, 256 where the file is too short) gives a
probability for each content type. ONNX Runtime's session options come from the ``parameters`` of config.pbtxt, under
the names that Triton's own onnxruntime backend has for them.
"""

import json
from pathlib import Path

import numpy
import onnxruntime
import triton_python_backend_utils as pb_utils

_LEVELS = {
    -1: onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    1: onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    2: onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
}


def session_options(config):
    """What config.pbtxt sets; whatever it leaves out keeps ONNX Runtime's default."""
    given = {key: value["string_value"] for key, value in config.get("parameters", {}).items()}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(given.get("intra_op_thread_count", 0))
    options.inter_op_num_threads = int(given.get("inter_op_thread_count", 0))
    options.enable_cpu_mem_arena = given.get("enable_mem_arena", "1") == "1"
    options.enable_mem_pattern = given.get("enable_mem_pattern", "1") == "1"
    if given.get("execution_mode", "0") == "1":
        options.execution_mode = onnxruntime.ExecutionMode.ORT_PARALLEL
    level = int(config.get("optimization", {}).get("graph", {}).get("level", 0))
    if level in _LEVELS:
        options.graph_optimization_level = _LEVELS[level]
    for key, value in given.items():
        if key.startswith("session."):
            options.add_session_config_entry(key, value)
    return options


class TritonPythonModel:
    """The model as Triton's Python backend wants it."""

    def initialize(self, args):
        path = Path(args["model_repository"], args["model_version"], "model.onnx")
        options = session_options(json.loads(args["model_config"]))
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def execute(self, requests):
        files = [pb_utils.get_input_tensor_by_name(request, "bytes").as_numpy() for request in requests]
        batch = files[0] if len(files) == 1 else numpy.concatenate(files)
        (scores,) = self.session.run(None, {"bytes": batch.astype(numpy.int32)})
        responses, start = [], 0
        for file in files:
            tensor = pb_utils.Tensor("scores", scores[start : start + len(file)])
            responses.append(pb_utils.InferenceResponse([tensor]))
            start += len(file)
        return responses
