"""An engine without a model: a real server process that batches and sleeps.

For trying tuner where no engine is installed, and the counterpart of the real engines in every conformance test. Its
capacity is known by formula (``capacity``), and it misbehaves on request (parameter ``fault``).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from tuner.engine import simulator_server
from tuner.engine.probe import fetch
from tuner.engine.protocol import ClientProtocol, Endpoint, HttpRequest, Launch, Ports
from tuner.engine.sample import load_samples
from tuner.engine.simulator_server import ANSWER_BYTES, FAULTS, Setup
from tuner.engine.workload import Workload
from tuner.errors import Problem, UserError
from tuner.space.assignment import Assignment
from tuner.space.parameter import Condition, Domain, Parameter
from tuner.spec.model import Payload, Scalar, Target

__all__ = ["CONFIG", "SimulatorEngine"]

CONFIG = "/etc/simulator/config.json"
"""Where the container expects its configuration, unless its arguments say ``--config PATH``."""

_BATCHES = (1, 2, 4, 8, 16, 32)
_PARAMETERS = (
    Parameter(
        name="instances",
        domain=Domain(kind="int", low=1, high=8, step=1),
        default=Setup.instances,
        target=Target(engine="instances"),
        description="Batches served at the same time.",
    ),
    Parameter(
        name="max_batch_size",
        domain=Domain(kind="ordinal", values=_BATCHES),
        default=Setup.max_batch_size,
        target=Target(engine="max_batch_size"),
        description="Most requests in one batch.",
    ),
    Parameter(
        name="queue_delay_us",
        domain=Domain(kind="ordinal", values=(0, 500, 1000, 2000, 5000)),
        default=Setup.queue_delay_us,
        target=Target(engine="queue_delay_us"),
        when=(Condition(name="max_batch_size", values=_BATCHES[1:]),),
        description="Microseconds that a request waits for a batch to fill.",
    ),
    Parameter(
        name="fault",
        domain=Domain(kind="categorical", values=tuple(FAULTS)),
        default=Setup.fault,
        target=Target(engine="fault"),
        description="Misbehaviour on request: " + "; ".join(f"`{name}` {does}" for name, does in FAULTS.items()) + ".",
    ),
)
_NAMES = frozenset(parameter.name for parameter in _PARAMETERS)


class SimulatorEngine:
    """The simulator as a serving engine. The model is ignored; the configuration is JSON in ``Workload.files``."""

    name = "simulator"

    def parameters(self) -> tuple[Parameter, ...]:
        """Instances, batch size, queue delay and fault."""
        return _PARAMETERS

    def conflicts(self, assignment: Assignment) -> tuple[str, ...]:
        """Values that the server refuses, and a queue delay that can gather nothing."""
        reasons: tuple[str, ...] = ()
        for name in sorted(_NAMES & assignment.keys()):
            try:
                Setup.parse(json.dumps({name: assignment[name]}))
            except ValueError as error:
                reasons = (*reasons, str(error))
        if not reasons and assignment.get("queue_delay_us", 0) and assignment.get("max_batch_size", 2) == 1:
            reasons = (*reasons, "queue_delay_us waits for a batch, and max_batch_size 1 allows none")
        return reasons

    def read(self, workload: Workload) -> Mapping[str, Scalar]:
        """Every parameter's value now."""
        setup, _ = _setup(workload)
        return {name: getattr(setup, name) for name in sorted(_NAMES)}

    def apply(self, assignment: Assignment, workload: Workload) -> Workload:
        """Edit the JSON; the text stays as it is where nothing changes. Keys equal to the default are not added."""
        _, raw = _setup(workload)
        chosen = {name: assignment[name] for name in assignment if name in _NAMES}
        if chosen.get("max_batch_size") == 1 and "queue_delay_us" not in chosen:
            chosen["queue_delay_us"] = 0
        wanted = {**raw, **{key: value for key, value in chosen.items() if key in raw or value != getattr(Setup, key)}}
        if wanted == raw:
            return workload
        path = _path(workload)
        return workload.model_copy(update={"files": {**workload.files, path: json.dumps(wanted, indent=2) + "\n"}})

    def launch(self, workload: Workload, model: Path, folder: Path, ports: Ports) -> Launch:  # noqa: ARG002
        """Write the configuration into ``folder``; the process is an isolated interpreter with one script."""
        _setup(workload)
        config = folder / "simulator.json"
        config.write_text(workload.files.get(_path(workload), "{}"), encoding="utf-8")
        endpoint = Endpoint(host="127.0.0.1", ports=ports)
        script = str(Path(simulator_server.__file__).resolve())
        options = ("--config", str(config), "--host", endpoint.host, "--port", str(ports.http))
        cores = ("--cores", str(_cores(workload)))
        return Launch(argv=(sys.executable, "-I", "-S", script, *options, *cores), environment={}, endpoint=endpoint)

    def ready(self, endpoint: Endpoint) -> bool:
        """True once ``/v2/health/ready`` answers 200."""
        return fetch(endpoint, "/v2/health/ready") is not None

    def requests(
        self,
        payload: Payload,
        folder: Path,
        workload: Workload,  # noqa: ARG002
        protocol: ClientProtocol = "http",
    ) -> tuple[HttpRequest, ...]:
        """The samples' raw bytes, one request each; every good answer has the same length."""
        if protocol != "http":
            raise UserError.of(f"the simulator is not asked by {protocol!r}", "write http")
        return tuple(
            HttpRequest(
                path="/v2/models/simulator/infer",
                headers={"Content-Type": "application/octet-stream"},
                body=b"".join(array.tobytes() for array in sample.values()),
                answer_bytes=ANSWER_BYTES,
            )
            for sample in load_samples(payload, folder)
        )

    def statistics(self, endpoint: Endpoint) -> Mapping[str, float]:
        """Requests received and answered, batches, queue length."""
        body = fetch(endpoint, "/statistics")
        return {} if body is None else {key: float(value) for key, value in json.loads(body).items()}

    def capacity(self, workload: Workload) -> float:
        """Largest sustainable rate in requests/s: ``instances · b / service(b)`` with every batch full."""
        setup, _ = _setup(workload)
        return setup.instances * setup.max_batch_size / setup.service(setup.max_batch_size, _cores(workload))


def _cores(workload: Workload) -> float:
    return workload.resources.cpu or 1.0


def _path(workload: Workload) -> str:
    return workload.argument("--config") or CONFIG


def _setup(workload: Workload) -> tuple[Setup, dict[str, Scalar]]:
    """The configuration, checked, and its raw keys; UserError with the place where it is broken."""
    path = _path(workload)
    text = workload.files.get(path, "{}")
    try:
        return Setup.parse(text), dict(json.loads(text))
    except json.JSONDecodeError as error:
        raise UserError(
            Problem(f"not JSON: {error.msg}", "correct the text", path, error.lineno, error.colno)
        ) from error
    except ValueError as error:
        raise UserError(Problem(str(error), "correct the simulator's configuration", path)) from error
