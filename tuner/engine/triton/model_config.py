"""What a config.pbtxt means: the official ``inference.ModelConfig`` message, read by the official library."""

from __future__ import annotations

from typing import Any

from google.protobuf import text_format

from tuner.engine.triton import message
from tuner.errors import Problem, UserError

__all__ = ["ModelConfig", "parse", "same"]

ModelConfig = Any
"""A generated message: its fields are those of model_config.proto in triton-inference-server/common."""


def parse(text: str, file: str) -> ModelConfig:
    """The message that the text stands for; UserError with line and column where it is none."""
    try:
        return text_format.Parse(text, message.model_config().ModelConfig())
    except text_format.ParseError as error:
        line, column = error.GetLine(), error.GetColumn()
        what = str(error).split(" : ", 1)[-1].removeprefix(f"{line}:{column}:").strip()
        raise UserError(
            Problem(f"not a Triton model configuration: {what}", "correct config.pbtxt", file, line, column)
        ) from error


def same(one: ModelConfig, other: ModelConfig) -> bool:
    """Do both mean the same? Whether a default is written down makes no difference."""
    return bool(one == other)
