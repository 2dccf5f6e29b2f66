"""What a config.pbtxt means: the official ``inference.ModelConfig`` message, read by the official library."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from google.protobuf.message import Message

from tuner.errors import PermanentError, Problem, UserError

__all__ = ["ModelConfig", "parse", "same"]

ModelConfig = Any
"""A generated message: its fields are those of model_config.proto in triton-inference-server/common."""


@functools.cache
def _message() -> type[Message]:
    """The generated class out of the tritonclient wheel, loaded by path: importing its package would need grpcio."""
    package = importlib.util.find_spec("tritonclient")
    for folder in (package.submodule_search_locations or ()) if package else ():
        spec = importlib.util.spec_from_file_location(
            "tuner_model_config_pb2", Path(folder, "grpc", "model_config_pb2.py")
        )
        if spec and spec.loader:
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            found: type[Message] = module.ModelConfig
            return found
    raise PermanentError("tritonclient is not installed: install tuner's dependencies again")


def parse(text: str, file: str) -> ModelConfig:
    """The message that the text stands for; UserError with line and column where it is none."""
    try:
        return text_format.Parse(text, _message()())
    except text_format.ParseError as error:
        line, column = error.GetLine(), error.GetColumn()
        what = str(error).split(" : ", 1)[-1].removeprefix(f"{line}:{column}:").strip()
        raise UserError(
            Problem(f"not a Triton model configuration: {what}", "correct config.pbtxt", file, line, column)
        ) from error


def same(one: ModelConfig, other: ModelConfig) -> bool:
    """Do both mean the same? Whether a default is written down makes no difference."""
    return bool(one == other)
