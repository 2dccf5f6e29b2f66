"""One trial from start to outcome: whatever a configuration does, it becomes a value with a reason."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tuner.engine.protocol import Engine
from tuner.engine.workload import Workload
from tuner.errors import TemporaryError, TunerError
from tuner.measurement.model import Judgement, Measurement
from tuner.space.assignment import Assignment
from tuner.telemetry.logs import logger
from tuner.telemetry.redaction import redact
from tuner.telemetry.tracing import span
from tuner.trial.folder import write_whole
from tuner.trial.outcome import Completed, Errored, Failed, FailureKind, Inconclusive, Outcome, Trial
from tuner.trial.protocol import Backend, InconclusiveTrialError, Server, TrialFailedError

__all__ = ["RECORD", "Candidate", "folder_name", "run_trial"]

RECORD = "trial.json"
"""The finished trial in its folder."""

_log = logger("trial")


@dataclass(frozen=True, slots=True)
class Candidate:
    """What one trial tries: the point, and the workload that it makes of the manifest."""

    number: int
    assignment: Assignment
    workload: Workload


def folder_name(number: int) -> str:
    """``0007``: the name of a trial's folder, below the folder of all trials."""
    return f"{number:04d}"


def run_trial(
    candidate: Candidate,
    *,
    engine: Engine,
    backend: Backend,
    model: Path,
    measure: Callable[[Server], Measurement],
    trials: Path,
    limit: float = 900.0,
) -> Trial:
    """Start a server, measure it, stop it, and write ``trials/0007/trial.json``.

    ``limit`` in seconds counts from the call; when it passes, the server is stopped under the measurement. The outcome
    is Failed for everything that the configuration did, Errored for TemporaryError. Raises only what no trial can
    answer for: UserError and PermanentError, TemporaryError where the outcome cannot be written, KeyboardInterrupt;
    the server is stopped before.
    """
    name = folder_name(candidate.number)
    point = str(candidate.assignment)
    with span("trial", {"tuner.trial.number": candidate.number, "tuner.trial.assignment": point}) as current:
        started, began = time.time(), time.monotonic()
        outcome = _outcome(candidate, engine, backend, model, measure, limit)
        trial = Trial(
            number=candidate.number,
            assignment=candidate.assignment,
            workload=candidate.workload.digest,
            outcome=outcome,
            started=started,
            ended=started + (time.monotonic() - began),  # a clock that is set meanwhile makes it no longer
        )
        current.set_attribute("tuner.trial.outcome", outcome.kind)
        write_whole(trials / name / RECORD, trial.model_dump_json(indent=1) + "\n")
    _tell(trial)
    return trial


def _outcome(
    candidate: Candidate,
    engine: Engine,
    backend: Backend,
    model: Path,
    measure: Callable[[Server], Measurement],
    limit: float,
) -> Outcome:
    conflicts = engine.conflicts(candidate.assignment)
    if conflicts:
        return Failed(failure=FailureKind.REFUSED, reason="; ".join(conflicts))
    began = time.monotonic()
    try:
        server = backend.start(engine, candidate.workload, model, folder_name(candidate.number))
        start_up = time.monotonic() - began
        try:
            measurement = _measured(server, measure, began + limit, limit)
            return _judge(measurement.model_copy(update={"start_up": start_up, "template": server.template}))
        finally:
            server.stop()
    except TrialFailedError as error:
        return error.failed
    except InconclusiveTrialError as error:
        return Inconclusive(reason=str(error) or "the measurement cannot be believed")
    except TemporaryError as error:
        return Errored(reason=redact(str(error)) or type(error).__name__)


def _measured(server: Server, measure: Callable[[Server], Measurement], deadline: float, limit: float) -> Measurement:
    """Measure; what became of the server counts more than what the load made of it."""
    with _stopped_at(deadline, server) as late:
        try:
            with server.observe() as observation:
                measurement = measure(server)
                observed = observation.end()
        except (TunerError, TrialFailedError, InconclusiveTrialError):
            _raise_if_late(late, limit)
            server.check()
            raise
        _raise_if_late(late, limit)
        server.check()
        usage = server.usage()
    filled = {
        "peak_memory": usage.peak_memory if measurement.peak_memory is None else measurement.peak_memory,
        "cpu_seconds": usage.cpu_seconds if measurement.cpu_seconds is None else measurement.cpu_seconds,
        "use": observed.use if measurement.use is None else measurement.use,
        "interference": observed.interference if measurement.interference is None else measurement.interference,
    }
    return measurement.model_copy(update=filled)


@contextmanager
def _stopped_at(deadline: float, server: Server) -> Iterator[threading.Event]:
    """Stop the server at this time (monotonic), so that whoever loads it ends; the event says that it was."""
    late = threading.Event()

    def stop() -> None:
        late.set()
        # Whatever survives this is found by the trial's own stop, which tells.
        with suppress(TemporaryError):
            server.stop()

    timer = threading.Timer(max(0.0, deadline - time.monotonic()), stop)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()


def _raise_if_late(late: threading.Event, limit: float) -> None:
    if late.is_set():
        reason = f"the trial took longer than its limit of {limit:g} s and was ended"
        raise TrialFailedError(Failed(failure=FailureKind.TIMEOUT, reason=reason))


def _judge(measurement: Measurement) -> Outcome:
    """No capacity is a failure of the configuration only where a load that counts has failed."""
    if measurement.capacity is not None:
        return Completed(measurement=measurement)
    failed = [point for point in measurement.curve if point.judgement is Judgement.FAIL]
    if failed:
        lowest = min(failed, key=lambda point: point.rate)
        reason = f"no load met the SLO, not even {lowest.rate:g}/s: {lowest.reason}"
        return Failed(failure=FailureKind.INFEASIBLE, reason=reason, measurement=measurement)
    last = measurement.curve[-1].reason if measurement.curve else "nothing was measured"
    return Inconclusive(reason=f"no load was decided: {last}")


def _tell(trial: Trial) -> None:
    outcome = trial.outcome
    reason = {} if isinstance(outcome, Completed) else {"reason": outcome.reason}
    _log.info(
        "trial ended",
        trial=trial.number,
        assignment=str(trial.assignment),
        outcome=outcome.kind,
        seconds=round(trial.ended - trial.started, 3),
        **reason,
    )
