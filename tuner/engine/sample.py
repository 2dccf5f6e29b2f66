"""Payload samples: ``.npy`` files, one an input, read once and checked against the inputs that the spec states."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from tuner.errors import Problem, UserError
from tuner.spec.model import Payload, TensorInput

if TYPE_CHECKING:  # numpy takes a tenth of a second, which most commands need not spend
    from numpy.typing import NDArray

__all__ = ["Samples", "load_samples"]

Samples: TypeAlias = "tuple[Mapping[str, NDArray[Any]], ...]"
"""One mapping a sample: input name → array of the input's shape (no batch dimension)."""

_DTYPES: Mapping[str, str] = {
    "BOOL": "bool",
    "UINT8": "uint8",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
}


def load_samples(payload: Payload, folder: Path) -> Samples:
    """Every sample in ``folder``; UserError for a missing file, another datatype, another shape or no sample."""
    stacks = {tensor.name: _stack(tensor, folder / f"{tensor.name}.npy") for tensor in payload.inputs}
    counts = {name: len(stack) for name, stack in stacks.items()}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise UserError.of(
            f"the inputs have different numbers of samples: {told}",
            "write the same number of samples for each input",
            file=str(folder),
        )
    return tuple({name: stack[index] for name, stack in stacks.items()} for index in range(min(counts.values())))


def _stack(tensor: TensorInput, path: Path) -> NDArray[Any]:
    import numpy as np

    try:
        stack = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise UserError(
            Problem(f"no samples for the input {tensor.name!r}", "write them there with numpy.save", file=str(path))
        ) from error
    except (OSError, ValueError, EOFError) as error:
        raise UserError(Problem(f"not a .npy file: {error}", "write it with numpy.save", file=str(path))) from error
    wanted = np.dtype(_DTYPES[tensor.datatype])
    shape = "×".join(map(str, tensor.shape))
    if not isinstance(stack, np.ndarray) or stack.dtype != wanted:
        found = getattr(stack, "dtype", type(stack).__name__)
        raise UserError(Problem(f"the samples are {found}, not {wanted}", f"save them as {wanted}", file=str(path)))
    if stack.shape[1:] != tensor.shape or not stack.ndim:
        found = "×".join(map(str, stack.shape))
        raise UserError(
            Problem(
                f"the samples have shape {found}, not n×{shape}",
                "stack samples of the input's shape along axis 0, or correct the shape in load.payload",
                file=str(path),
            )
        )
    if not len(stack):
        raise UserError(Problem("the file holds no sample", "save at least one sample", file=str(path)))
    return np.ascontiguousarray(stack)
