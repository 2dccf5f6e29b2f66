"""NVIDIA Triton Inference Server as a serving engine."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

from tuner.engine.probe import fetch
from tuner.engine.protocol import ClientProtocol, Endpoint, HttpRequest, Launch, Ports
from tuner.engine.sample import load_samples
from tuner.engine.triton import counters, repository
from tuner.engine.triton.configuration import Configuration
from tuner.engine.triton.inference import call, check_inputs, infer
from tuner.engine.triton.installation import Installation, find
from tuner.engine.triton.knob import ARGUMENTS, KNOBS
from tuner.engine.workload import Workload
from tuner.errors import UserError
from tuner.space.assignment import Assignment
from tuner.space.parameter import Parameter
from tuner.spec.model import Payload, Scalar

__all__ = ["TritonEngine"]

_KEPT = frozenset(
    {
        "--backend-config",
        "--buffer-manager-thread-count",
        "--cuda-memory-pool-byte-size",
        "--disable-auto-complete-config",
        "--http-thread-count",
        "--min-supported-compute-capability",
        "--model-load-thread-count",
        "--pinned-memory-pool-byte-size",
        "--rate-limit",
        "--rate-limit-resource",
    }
)
"""Arguments of the container that say how the server works; ports, paths, logs and endpoints are the trial's own."""
_PREPARED = {"http": infer, "grpc": call}
_BARE = frozenset({"--disable-auto-complete-config"})
_OURS = frozenset({"PATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONPATH", "PYTHONHOME", "HOME", "TMPDIR"})


class TritonEngine:
    """Triton from ``home`` (a folder that ``Installation.at`` knows), by default where ``find`` finds it."""

    name = "triton"

    def __init__(self, home: Path | None = None) -> None:
        self._home = home

    def parameters(self) -> tuple[Parameter, ...]:
        """Triton's knobs in config.pbtxt, and its arguments."""
        return (*(knob.parameter for knob in KNOBS), *ARGUMENTS)

    def conflicts(self, assignment: Assignment) -> tuple[str, ...]:
        """Values that Triton refuses, and combinations that it would refuse or ignore."""
        given = [knob for knob in KNOBS if knob.parameter.name in assignment]
        refused = [knob.refusal(assignment[knob.parameter.name]) for knob in given]
        reasons = [reason for reason in refused if reason]
        if not reasons:
            for knob in given:
                name, default = knob.parameter.name, knob.parameter.default
                if knob.needs_batching and assignment.get("dynamic_batching") is False and assignment[name] != default:
                    reasons.append(f"{name} needs dynamic_batching")
            largest = max((int(size) for size in str(assignment.get("preferred_batch_size", 0)).split(",")), default=0)
            if largest > int(assignment.get("max_batch_size", largest)):
                reasons.append(f"preferred_batch_size {largest} is above max_batch_size {assignment['max_batch_size']}")
        return tuple(reasons)

    def read(self, workload: Workload) -> Mapping[str, Scalar]:
        """Every knob's value in the workload's config.pbtxt."""
        return Configuration.of(workload).values()

    def apply(self, assignment: Assignment, workload: Workload) -> Workload:
        """Edit config.pbtxt; UserError where this file cannot take the assignment."""
        if reasons := self.conflicts(assignment):
            raise UserError.of("; ".join(reasons), "choose other values")
        known = {knob.parameter.name for knob in KNOBS}
        configuration = Configuration.of(workload)
        edited = configuration.edited({name: assignment[name] for name in assignment if name in known})
        if edited is configuration:
            return workload
        return workload.model_copy(update={"files": {**workload.files, edited.path: edited.text}})

    def launch(self, workload: Workload, model: Path, folder: Path, ports: Ports) -> Launch:
        """Make the model repository below ``folder``; the server starts fast and fails loudly.

        Triton keeps no state and needs 3 s to end politely, so it is ended by SIGKILL; its shared memory has a prefix
        that is this trial's own.
        """
        installation = Installation.at(self._home.resolve()) if self._home else find()
        configuration = Configuration.of(workload)
        models = repository.build(configuration, model.resolve(), folder.resolve(), installation)
        prefix = f"tuner-{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]}-"
        endpoint = Endpoint(host="127.0.0.1", ports=ports)
        argv = (
            str(installation.server),
            *_kept((*workload.command, *workload.arguments)),
            *_complete(configuration, models),
            f"--model-repository={models}",
            f"--backend-directory={installation.backends}",
            f"--backend-config=python,shm-region-prefix-name={prefix}",
            f"--http-address={endpoint.host}",
            f"--http-port={ports.http}",
            f"--metrics-port={ports.metrics}",
            f"--grpc-address={endpoint.host}",
            f"--grpc-port={ports.grpc}",
            "--allow-gpu-metrics=false",
            "--exit-on-error=true",
            "--strict-readiness=true",
            "--exit-timeout-secs=1",
        )
        passed = {name: value for name, value in workload.environment.items() if name not in _OURS}
        own = {"HOME": str(folder), "TMPDIR": str(folder), "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
        return Launch(
            argv=argv,
            environment={**own, **passed, **installation.search},
            endpoint=endpoint,
            stop_signal=signal.SIGKILL,
            leftovers=(f"/dev/shm/{prefix}*",),  # noqa: S108  (where Linux keeps POSIX shared memory)
        )

    def ready(self, endpoint: Endpoint) -> bool:
        """True once the server and every model in it are ready (strict readiness)."""
        return fetch(endpoint, "/v2/health/ready") is not None

    def requests(
        self, payload: Payload, folder: Path, workload: Workload, protocol: ClientProtocol = "http"
    ) -> tuple[HttpRequest, ...]:
        """Inference requests with binary tensors in both directions, one a sample."""
        if protocol not in _PREPARED:
            raise UserError.of(f"Triton is not asked by {protocol!r}", f"write {' or '.join(_PREPARED)}")
        configuration = Configuration.of(workload)
        check_inputs(payload, configuration)
        name, batched = repository.model_name(configuration), configuration.message.max_batch_size > 0
        prepare = _PREPARED[protocol]
        return tuple(prepare(name, payload, sample, batched=batched) for sample in load_samples(payload, folder))

    def statistics(self, endpoint: Endpoint) -> Mapping[str, float]:
        """Counts and seconds by phase of ``/v2/models/stats``, and the ``nv_`` metrics."""
        told = fetch(endpoint, "/v2/models/stats")
        measured = fetch(endpoint, "/metrics", port=endpoint.ports.metrics)
        return {
            **(counters.model_statistics(told) if told else {}),
            **(counters.metrics(measured) if measured else {}),
        }


def _kept(arguments: tuple[str, ...]) -> Iterator[str]:
    """The container's arguments that a trial keeps, each as ``--flag=value``."""
    following = iter(arguments)
    for item in following:
        flag, given, value = item.partition("=")
        if flag not in _KEPT:
            continue
        if flag in _BARE:
            yield flag
        elif given or (value := next(following, "")):
            yield f"{flag}={value}"


def _complete(configuration: Configuration, models: Path) -> Iterator[str]:
    """Skip Triton's completion of the configuration, a second start of the model, where there is nothing to add."""
    message = configuration.message
    whole = message.input and message.output and message.backend == "python"
    if whole and not any(b"auto_complete_config" in script.read_bytes() for script in models.glob("*/*/*.py")):
        yield "--disable-auto-complete-config"
