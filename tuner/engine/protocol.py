"""The one narrow door to a serving engine."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol, Self

from pydantic import Field, model_validator

from tuner.engine.workload import Workload
from tuner.space.assignment import Assignment
from tuner.space.parameter import Parameter
from tuner.spec.model import Payload, Scalar
from tuner.value import Value

__all__ = ["ClientProtocol", "Endpoint", "Engine", "HttpRequest", "Launch", "Ports"]

ClientProtocol = Literal["http", "grpc", "stream"]
"""How a request is sent and its answer read: HTTP/1.1; a unary gRPC call over HTTP/2, to the server's gRPC port;
HTTP/1.1 whose good answer is a stream of server-sent events that ends with ``[DONE]``, as of OpenAI's completions."""


class Ports(Value):
    """Loopback ports reserved for one server."""

    http: int
    grpc: int
    metrics: int


class Endpoint(Value):
    """Where a started server answers."""

    host: str
    ports: Ports


class Launch(Value):
    """How one server process is started: an argument vector (never a shell line) with the trial's folder as cwd.

    ``environment`` is the whole environment of the process, nothing is inherited. ``stop_signal`` ends the process
    group; SIGKILL where the server keeps no state and would only be slow to end. ``leftovers`` are absolute glob
    patterns of files outside the folder (shared memory) that a killed server leaves: remove them once it is gone.
    """

    argv: tuple[str, ...]
    environment: dict[str, str]
    endpoint: Endpoint
    stop_signal: int = signal.SIGTERM
    leftovers: tuple[str, ...] = ()


class HttpRequest(Value):
    """One request, prepared in advance: bytes on the hot path, no JSON.

    A gRPC call is the POST that gRPC makes of it: ``path`` names service and method, ``headers`` are its metadata and
    ``body`` is its message, serialised, without gRPC's prefix.

    ``answer_bytes`` is the exact length of a good answer's body, or message. Only a 200 of that length is an answer;
    any other is a failure ("wrong shape"). Where it is ``None`` the engine cannot know it beforehand: the length of the
    first 200 of a warm-up is then what a good answer looks like (``expecting``). Streams may have any length.
    """

    protocol: ClientProtocol = "http"
    method: str = "POST"
    path: str
    headers: dict[str, str] = Field(default_factory=dict)
    body: bytes = b""
    answer_bytes: int | None = None

    def expecting(self, length: int) -> HttpRequest:
        """The same request, with the length of a good answer as learnt from one; a stream stays as it is."""
        return self if self.protocol == "stream" else self.model_copy(update={"answer_bytes": length})

    @model_validator(mode="after")
    def _stream_of_any_length(self) -> Self:
        if self.protocol == "stream" and self.answer_bytes is not None:
            raise ValueError("a stream has no length that a good answer must have")
        return self


class Engine(Protocol):
    """One serving engine. Implementations hold no state about a server that is running."""

    name: str

    def parameters(self) -> tuple[Parameter, ...]:
        """Everything this engine lets a user tune: domain, the engine's own default, where it lands."""
        ...

    def conflicts(self, assignment: Assignment) -> tuple[str, ...]:
        """Why this engine cannot run the assignment; empty where it can."""
        ...

    def read(self, workload: Workload) -> Mapping[str, Scalar]:
        """The values that the workload has now of this engine's own parameters; a default where it says nothing."""
        ...

    def apply(self, assignment: Assignment, workload: Workload) -> Workload:
        """The workload with this engine's own parameters set. Idempotent; touches nothing else."""
        ...

    def launch(self, workload: Workload, model: Path, folder: Path, ports: Ports) -> Launch:
        """Prepare ``folder`` (model repository, configuration) and say how the server is started on this machine.

        Raises UserError where the model cannot be served by this engine.
        """
        ...

    def ready(self, endpoint: Endpoint) -> bool:
        """Does the server answer that it, and the model in it, are ready? Never raises."""
        ...

    def requests(
        self, payload: Payload, folder: Path, workload: Workload, protocol: ClientProtocol = "http"
    ) -> tuple[HttpRequest, ...]:
        """One prepared request for each sample in ``folder``, for the model as the workload names and shapes it.

        No tunable parameter changes them: one preparation serves every trial of a campaign. UserError for a sample that
        does not fit the inputs, and for a protocol that the engine does not speak.
        """
        ...

    def statistics(self, endpoint: Endpoint) -> Mapping[str, float]:
        """The server's own counters, by name; empty where it does not answer."""
        ...
