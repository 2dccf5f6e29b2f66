"""Requests in the Open Inference Protocol: over HTTP with the binary tensor extension in both directions, over gRPC.

https://github.com/kserve/open-inference-protocol and, for the extension, Triton's protocol/extension_binary_data.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tuner.engine.protocol import HttpRequest
from tuner.engine.triton import message
from tuner.engine.triton.configuration import Configuration
from tuner.errors import Problem, UserError
from tuner.spec.model import Payload

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["call", "check_inputs", "infer"]


def infer(model: str, payload: Payload, sample: Mapping[str, NDArray[Any]], *, batched: bool) -> HttpRequest:
    """One request for one sample; ``batched`` models get a batch dimension of 1 in front of the sample's shape."""
    arrays = [(tensor, sample[tensor.name]) for tensor in payload.inputs]
    header = {
        "inputs": [
            {
                "name": tensor.name,
                "shape": [*([1] if batched else []), *array.shape],
                "datatype": tensor.datatype,
                "parameters": {"binary_data_size": array.nbytes},
            }
            for tensor, array in arrays
        ],
        "parameters": {"binary_data_output": True},
    }
    head = json.dumps(header, separators=(",", ":")).encode()
    return HttpRequest(
        path=f"/v2/models/{model}/infer",
        headers={
            "Content-Type": "application/octet-stream",
            "Inference-Header-Content-Length": str(len(head)),
        },
        body=head + b"".join(array.tobytes() for _, array in arrays),
    )


def call(model: str, payload: Payload, sample: Mapping[str, NDArray[Any]], *, batched: bool) -> HttpRequest:
    """The same request as a gRPC call; the tensors are raw bytes in both directions."""
    request = message.service().ModelInferRequest(model_name=model)
    for tensor in payload.inputs:
        array = sample[tensor.name]
        shape = [*([1] if batched else []), *array.shape]
        request.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=shape)
        request.raw_input_contents.append(array.tobytes())
    return HttpRequest(
        protocol="grpc",
        path="/inference.GRPCInferenceService/ModelInfer",
        body=request.SerializeToString(deterministic=True),
    )


def check_inputs(payload: Payload, configuration: Configuration) -> None:
    """UserError where the payload and the model's inputs do not fit; a configuration without inputs says nothing."""
    known = {tensor.name: tensor for tensor in configuration.message.input}
    given = {tensor.name: tensor for tensor in payload.inputs}
    missing = [name for name in known.keys() - given.keys() if not known[name].optional]
    problems = [f"load.payload lacks the model's input {name!r}" for name in missing]
    for name, tensor in given.items() if known else ():
        if name not in known:
            problems.append(f"the model has no input {name!r}; it has {', '.join(sorted(known))}")
            continue
        datatype = _datatype(configuration, known[name].data_type)
        if datatype != tensor.datatype:
            problems.append(f"the model's input {name!r} is {datatype}, not {tensor.datatype}")
        dims = list(known[name].dims)
        if len(dims) != len(tensor.shape) or any(
            want not in (-1, have) for want, have in zip(dims, tensor.shape, strict=True)
        ):
            problems.append(f"the model's input {name!r} has shape {dims}, not {list(tensor.shape)}")
    if problems:
        raise UserError(Problem(what, "correct load.payload", configuration.path) for what in sorted(problems))


def _datatype(configuration: Configuration, number: int) -> str:
    """``TYPE_UINT8`` of the configuration is ``UINT8`` of the protocol."""
    values = configuration.message.DESCRIPTOR.file.enum_types_by_name["DataType"].values_by_number
    return str(values[number].name).removeprefix("TYPE_")
