"""Triton's knobs as data: what may be tuned, Triton's own default, where it stands in config.pbtxt.

Sources: model_config.proto in triton-inference-server/common; for the ``parameters`` map the names that Triton's
onnxruntime backend reads (README of triton-inference-server/onnxruntime_backend), which models on the Python backend
can read too. Every default is compared with a running server by ``tests/engine/test_triton_server.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

from tuner.engine.triton.place import Block, Flag, Number, Option, Place, Sizes
from tuner.space.parameter import Condition, Domain, Parameter
from tuner.spec.model import Scalar, Target

__all__ = ["ARGUMENTS", "KNOBS", "Knob"]

_MOST = 2**31 - 1  # what an int32 of model_config.proto holds
_BOOLEAN: tuple[Scalar, ...] = (False, True)
_THREADS: tuple[Scalar, ...] = (0, 1, 2, 4, 8)
_BATCHING = (Condition(name="dynamic_batching", values=(True,)),)
_PARALLEL = (Condition(name="execution_mode", values=("parallel",)),)


@dataclass(frozen=True, slots=True)
class Knob:
    """A parameter and its place; ``least`` is the smallest number that Triton takes."""

    parameter: Parameter
    place: Place
    least: int = 0

    @property
    def needs_batching(self) -> bool:
        """Whether it stands inside ``dynamic_batching``."""
        return any(condition.name == "dynamic_batching" for condition in self.parameter.when)

    def refusal(self, value: Scalar) -> str | None:
        """Why Triton does not take the value; it takes more than the values that are suggested."""
        name, values = self.parameter.name, self.parameter.domain.values or ()
        if self.parameter.domain.kind == "categorical":
            known = any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in values)
            return None if known else f"{name} cannot be {value!r}: it is one of {', '.join(map(str, values))}"
        try:
            sizes = Sizes.numbers(value) if isinstance(self.place, Sizes) else (int(value),)
        except ValueError:
            return f"{name} cannot be {value!r}: it is a whole number"
        if isinstance(value, bool) or (isinstance(value, float) and value != int(value)):
            return f"{name} cannot be {value!r}: it is a whole number"
        if isinstance(value, str) and not isinstance(self.place, Sizes):
            return f"{name} cannot be {value!r}: it is a whole number"
        if any(not self.least <= size <= _MOST for size in sizes):
            return f"{name} cannot be {value}: it is from {self.least} to {_MOST}"
        return None


def _knob(
    name: str,
    place: Place,
    values: tuple[Scalar, ...],
    description: str,
    *,
    default: Scalar,
    when: tuple[Condition, ...] = (),
    least: int = 0,
    every: bool = False,
) -> Knob:
    """A knob; ``every`` stands for all whole numbers from the first of ``values`` to the last."""
    named = any(isinstance(value, (bool, str)) for value in values)
    domain = Domain(kind="categorical" if named else "ordinal", values=values)
    parameter = Parameter(
        name=name,
        domain=Domain(kind="int", low=values[0], high=values[-1], step=1) if every else domain,
        default=default,
        target=Target(engine=_key(place)),
        when=when,
        description=description,
    )
    return Knob(parameter, place, least)


def _key(place: Place) -> str:
    """How the place is called in the reference: the path in config.pbtxt."""
    if isinstance(place, Option):
        return f"parameters.{place.key}"
    return place.name if isinstance(place, Block) else ".".join(getattr(place, "path", ()))


KNOBS: tuple[Knob, ...] = (
    _knob(
        "max_batch_size",
        Number(("max_batch_size",)),
        (1, 2, 4, 8, 16, 32, 64),
        "Most requests in one batch. Triton's 0 is no size but another interface (tensors without a batch dimension).",
        default=1,
        least=1,
    ),
    _knob(
        "instance_count",
        Number(("instance_group", "count")),
        (1, 8),
        "Copies of the model that run at the same time.",
        default=1,
        least=1,
        every=True,
    ),
    _knob(
        "dynamic_batching",
        Block("dynamic_batching"),
        _BOOLEAN,
        "Gather single requests into batches.",
        default=False,
    ),
    _knob(
        "max_queue_delay_us",
        Number(("dynamic_batching", "max_queue_delay_microseconds")),
        (0, 100, 250, 500, 1000, 2000, 5000, 10000),
        "Microseconds that a request waits for a batch to fill.",
        default=0,
        when=_BATCHING,
    ),
    _knob(
        "preferred_batch_size",
        Sizes(("dynamic_batching", "preferred_batch_size")),
        (0, 2, 4, 8, 16, 32),
        "Batch size that is sent off at once, without waiting; 0 for none.",
        default=0,
        when=_BATCHING,
    ),
    _knob(
        "preserve_ordering",
        Flag(("dynamic_batching", "preserve_ordering")),
        _BOOLEAN,
        "Answer in the order of arrival.",
        default=False,
        when=_BATCHING,
    ),
    _knob(
        "intra_op_threads",
        Option("intra_op_thread_count", int),
        _THREADS,
        "ONNX Runtime: threads inside one operator; 0 for one a core of the machine.",
        default=0,
    ),
    _knob(
        "inter_op_threads",
        Option("inter_op_thread_count", int),
        _THREADS,
        "ONNX Runtime: operators at the same time; 0 for one a core of the machine.",
        default=0,
        when=_PARALLEL,
    ),
    _knob(
        "execution_mode",
        Option("execution_mode", choices={"sequential": "0", "parallel": "1"}),
        ("sequential", "parallel"),
        "ONNX Runtime: operators one after another, or independent ones side by side.",
        default="sequential",
    ),
    _knob(
        "intra_op_spinning",
        Option("session.intra_op.allow_spinning", bool),
        _BOOLEAN,
        "ONNX Runtime: threads inside an operator wait by spinning instead of sleeping.",
        default=True,
    ),
    _knob(
        "inter_op_spinning",
        Option("session.inter_op.allow_spinning", bool),
        _BOOLEAN,
        "ONNX Runtime: threads between operators wait by spinning instead of sleeping.",
        default=True,
        when=_PARALLEL,
    ),
    _knob(
        "graph_optimization",
        Number(("optimization", "graph", "level"), choices={"all": 0, "extended": 1, "basic": -1, "none": 2}),
        ("all", "extended", "basic", "none"),
        "ONNX Runtime: how far the graph is rewritten when it is loaded.",
        default="all",
    ),
    _knob(
        "memory_arena",
        Option("enable_mem_arena", bool),
        _BOOLEAN,
        "ONNX Runtime: keep freed memory for the next request.",
        default=True,
    ),
    _knob(
        "memory_pattern",
        Option("enable_mem_pattern", bool),
        _BOOLEAN,
        "ONNX Runtime: allocate a request's memory in one piece.",
        default=True,
    ),
)

ARGUMENTS: tuple[Parameter, ...] = (
    Parameter(
        name="http_threads",
        domain=Domain(kind="ordinal", values=(1, 2, 4, 8, 16)),
        default=8,
        target=Target(argument="--http-thread-count"),
        description="Threads that read and answer HTTP requests.",
    ),
)
"""Knobs that are arguments of tritonserver; whoever lands arguments lands them."""
