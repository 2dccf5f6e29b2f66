"""Payload samples: ``.npy`` files, one an input, read once and checked against the inputs that the spec states."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tokenize import TokenError
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
_MALFORMED = (
    OSError,
    ValueError,
    TypeError,
    EOFError,
    OverflowError,
    TokenError,
    SyntaxError,
    RecursionError,
    MemoryError,
)
"""What numpy lets through of a header that is no header, beside what it says itself."""


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

    stack = _mapped(tensor.name, path)
    wanted = np.dtype(_DTYPES[tensor.datatype])
    shape = "×".join(map(str, tensor.shape))
    if stack.dtype != wanted:
        told = f"the samples are {stack.dtype}, not {wanted}"
        raise UserError(Problem(told, f"save them as {wanted}", file=str(path)))
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
    return np.array(stack, order="C")


def _mapped(name: str, path: Path) -> NDArray[Any]:
    """The file's array, mapped: what its header claims takes no memory before it is known to be there and to fit."""
    from numpy.lib.format import open_memmap

    try:
        mapped: NDArray[Any] = open_memmap(path, mode="r")
    except FileNotFoundError as error:
        raise UserError(
            Problem(f"no samples for the input {name!r}", "write them there with numpy.save", file=str(path))
        ) from error
    except _MALFORMED as error:
        told = "it is shorter than its header says" if "mmap length" in str(error) else str(error) or repr(error)
        raise UserError(Problem(f"not a .npy file: {told}", "write it with numpy.save", file=str(path))) from error
    return mapped
