"""One trial becomes one outcome with a reason, whatever its configuration does."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.trial.conftest import ScriptEngine, gone, until, written_pids
from tuner.engine.probe import fetch
from tuner.engine.workload import Workload
from tuner.errors import PermanentError, TemporaryError, UserError
from tuner.load.protocol import LoadResult
from tuner.measurement.model import Capacity, Interval, Judgement, LoadPoint, Measurement
from tuner.measurement.resource_use import ResourceUse
from tuner.space.assignment import Assignment
from tuner.trial.outcome import Completed, Errored, Failed, FailureKind, Inconclusive, Trial
from tuner.trial.process import ProcessBackend
from tuner.trial.protocol import InconclusiveTrialError, Server
from tuner.trial.run import Candidate, run_trial

RESULT = LoadResult(
    planned=10,
    scheduled=10,
    answered=10,
    over=(0,),
    histogram="",
    lateness="",
    offered_rate=5.0,
    answered_rate=5.0,
    elapsed=2.0,
)
CAPACITY = Capacity(rate=Interval(value=100.0, low=95.0, high=105.0))
Run = Callable[..., Trial]


def point(rate: float, judgement: Judgement, reason: str) -> LoadPoint:
    return LoadPoint(rate=rate, judgement=judgement, reason=reason, latency={}, lateness_p99=0.0, result=RESULT)


def measured(capacity: Capacity | None = CAPACITY, *curve: LoadPoint) -> Measurement:
    return Measurement(capacity=capacity, curve=curve, warm_up=0.0, elapsed=1.0)


@pytest.fixture
def run(backend: ProcessBackend, workload: Workload, tmp_path: Path) -> Run:
    """Run a trial of a script; afterwards its process is gone, and its record tells what was returned."""

    def run(
        measure: Callable[[Server], Measurement],
        script: str = "pids(os.getpid()); serve()",
        assignment: Assignment | None = None,
        limit: float = 60.0,
    ) -> Trial:
        candidate = Candidate(7, assignment or Assignment({"instances": 2}), workload)
        folder = tmp_path / "trials/0007"
        try:
            trial = run_trial(
                candidate,
                engine=ScriptEngine(script),
                backend=backend,
                model=tmp_path,
                measure=measure,
                trials=tmp_path / "trials",
                limit=limit,
            )
        finally:
            if (folder / "pids.json").exists():
                assert all(gone(pid) for pid in written_pids(folder))
        assert Trial.model_validate_json((folder / "trial.json").read_bytes()) == trial
        return trial

    return run


def test_a_measured_trial_is_completed_with_what_the_server_used(run: Run, workload: Workload) -> None:
    trial = run(lambda _: measured())
    assert isinstance(trial.outcome, Completed)
    assert trial.outcome.measurement.capacity == CAPACITY
    assert (trial.outcome.measurement.peak_memory or 0) > 2**20
    assert (trial.outcome.measurement.cpu_seconds or 0) > 0
    assert (trial.number, trial.workload) == (7, workload.digest)
    assert trial.started <= trial.ended


@pytest.mark.parametrize("step", [3600.0, -3600.0])
def test_a_clock_that_is_set_makes_a_trial_neither_longer_nor_shorter(
    run: Run, monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    def set_the_clock(_: Server) -> Measurement:
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + step)
        return measured()

    trial = run(set_the_clock)
    assert isinstance(trial.outcome, Completed)
    assert 0 <= trial.ended - trial.started < 60


def cpu_seconds(server: Server) -> float:
    return server.usage().cpu_seconds or 0.0


def test_a_measurement_tells_what_the_server_used_and_what_else_ran(run: Run) -> None:
    def loaded(server: Server) -> Measurement:
        used = cpu_seconds(server)
        fetch(server.endpoint, "/work")
        assert until(lambda: cpu_seconds(server) > used + 0.1)
        return measured()

    outcome = run(loaded, script="pids(os.getpid()); serve()").outcome
    assert isinstance(outcome, Completed)
    use, interference = outcome.measurement.use, outcome.measurement.interference
    assert use is not None
    assert use.cpu_seconds is not None
    assert 0.1 <= use.cpu_seconds <= (outcome.measurement.cpu_seconds or 0)
    assert use.gpus == ()
    assert interference is not None
    assert interference.cores >= 2
    assert interference.elapsed == pytest.approx(use.elapsed, abs=1.0)


def test_what_the_measurement_says_itself_is_kept(run: Run) -> None:
    own = measured().model_copy(update={"use": ResourceUse(elapsed=1.0, cpu_seconds=2.0)})
    outcome = run(lambda _: own).outcome
    assert isinstance(outcome, Completed)
    assert outcome.measurement.use == own.use


def test_no_load_within_the_slo_is_infeasible_and_keeps_its_measurement(run: Run) -> None:
    curve = (point(80.0, Judgement.FAIL, "p99 900 ms"), point(20.0, Judgement.FAIL, "p99 80 ms is above 50 ms"))
    outcome = run(lambda _: measured(None, *curve)).outcome
    assert isinstance(outcome, Failed)
    assert outcome.failure is FailureKind.INFEASIBLE
    assert outcome.reason == "no load met the SLO, not even 20/s: p99 80 ms is above 50 ms"
    assert outcome.measurement is not None


def test_no_load_that_counts_is_inconclusive(run: Run) -> None:
    outcome = run(lambda _: measured(None, point(20.0, Judgement.INVALID, "the generator was late"))).outcome
    assert outcome == Inconclusive(reason="no load was decided: the generator was late")


def test_a_measurement_that_is_not_believed_is_inconclusive(run: Run) -> None:
    def noisy(_: Server) -> Measurement:
        raise InconclusiveTrialError("two blocks differ by 40 %")

    assert run(noisy).outcome == Inconclusive(reason="two blocks differ by 40 %")


def test_an_engine_that_refuses_is_never_started(run: Run, tmp_path: Path) -> None:
    outcome = run(lambda _: measured(), assignment=Assignment({"bad_mode": 1})).outcome
    assert outcome == Failed(failure=FailureKind.REFUSED, reason="bad_mode is refused")
    assert [path.name for path in (tmp_path / "trials/0007").iterdir()] == ["trial.json"]


def test_a_crash_at_the_start_is_the_configurations_fault(run: Run) -> None:
    outcome = run(lambda _: measured(), script='print("no such model"); sys.exit(1)').outcome
    assert isinstance(outcome, Failed)
    assert outcome.failure is FailureKind.START
    assert outcome.reason == "the server exited before it was ready with code 1\nno such model"


@pytest.mark.parametrize("raises", [True, False])
def test_a_death_under_load_counts_more_than_what_the_load_says(run: Run, *, raises: bool) -> None:
    def deadly(server: Server) -> Measurement:
        fetch(server.endpoint, "/die")
        assert until(lambda: not alive(server))
        if raises:
            raise TemporaryError("connection refused")
        return measured()

    outcome = run(deadly).outcome
    assert isinstance(outcome, Failed)
    assert outcome.failure is FailureKind.DIED
    assert "exited under load with code 7" in outcome.reason


def test_memory_under_load_is_told_from_a_death(run: Run) -> None:
    def greedy(server: Server) -> Measurement:
        fetch(server.endpoint, "/hog")
        assert until(lambda: not alive(server))
        return measured()

    outcome = run(greedy).outcome
    assert isinstance(outcome, Failed)
    assert outcome.failure is FailureKind.OUT_OF_MEMORY


@pytest.mark.parametrize("raises", [True, False])
def test_a_trial_ends_at_its_limit(run: Run, *, raises: bool) -> None:
    def endless(server: Server) -> Measurement:
        assert until(lambda: not alive(server))
        if raises:
            server.check()
        return measured()

    outcome = run(endless, limit=0.5).outcome
    reason = "the trial took longer than its limit of 0.5 s and was ended"
    assert outcome == Failed(failure=FailureKind.TIMEOUT, reason=reason)


def test_a_broken_generator_says_nothing_about_the_configuration(run: Run) -> None:
    def broken(_: Server) -> Measurement:
        raise TemporaryError("the generator broke: password=hunter2hunter2")

    assert run(broken).outcome == Errored(reason="the generator broke: password=[redacted]")


@pytest.mark.parametrize("error", [UserError.of("no samples"), PermanentError("no tuner"), RuntimeError("a defect")])
def test_what_no_trial_can_answer_for_passes_through(run: Run, error: Exception) -> None:
    def failing(_: Server) -> Measurement:
        raise error

    with pytest.raises(type(error), match=str(error)):
        run(failing)


def test_an_interrupt_passes_through_after_the_server_was_stopped(run: Run) -> None:
    def interrupted(_: Server) -> Measurement:
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("unreachable")

    with pytest.raises(KeyboardInterrupt):
        run(interrupted)


def test_an_outcome_that_cannot_be_written_is_an_error_of_the_machine(run: Run, tmp_path: Path) -> None:
    def blocked(_: Server) -> Measurement:
        (tmp_path / "trials/0007/trial.json").mkdir()
        return measured()

    with pytest.raises(TemporaryError, match=r"cannot write .*trial\.json"):
        run(blocked)


def test_no_thread_stays_behind(run: Run) -> None:
    before = threading.active_count()
    run(lambda _: measured())
    assert until(lambda: threading.active_count() <= before)


def alive(server: Server) -> bool:
    try:
        server.check()
    except Exception:  # noqa: BLE001 - whatever it says, it is not alive
        return False
    return True
