"""The reference load: the same work every time, so that its speed tells the machine's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from tests.trial.conftest import gone, until
from tuner.engine.workload import Resources
from tuner.errors import TemporaryError, UserError
from tuner.trial import reference
from tuner.trial.process import ProcessBackend
from tuner.trial.reference import SECONDS, ReferenceLoad, cpu_reference

CPU = min(os.sched_getaffinity(0))
SPIN = f"import os\nos.sched_setaffinity(0, [{CPU}])\nprint('on', flush=True)\nwhile True: pass"


def workers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "reference_worker" in " ".join(child.cmdline())]


@pytest.fixture
def load() -> Iterator[ReferenceLoad]:
    with cpu_reference((CPU,)) as load:
        yield load


def test_a_run_tells_a_speed_with_its_interval_and_is_short(load: ReferenceLoad) -> None:
    run = load.run()
    assert 0 < run.speed.low <= run.speed.value <= run.speed.high
    assert run.cores == 1
    assert run.seconds >= SECONDS


def test_it_keeps_to_its_cpus_and_ends_with_its_context() -> None:
    cpus = sorted(os.sched_getaffinity(0))[:2]
    with cpu_reference(cpus) as load:
        assert load.run().cores == len(cpus)
        found = workers()
        assert sorted(worker.cpu_affinity() for worker in found) == [[cpu] for cpu in cpus]
    assert all(gone(worker.pid) for worker in found)


def test_a_neighbour_on_the_same_cpu_makes_it_slower(load: ReferenceLoad) -> None:
    """Three neighbours leave a quarter of the CPU: far more than the noise of any machine that can run tests."""
    alone = max(load.run().speed.value for _ in range(3))
    neighbours = [subprocess.Popen([sys.executable, "-I", "-c", SPIN], stdout=subprocess.PIPE) for _ in range(3)]
    try:
        for each in neighbours:
            assert each.stdout is not None
            each.stdout.readline()
        shared = min(load.run().speed.value for _ in range(3))
    finally:
        for each in neighbours:
            each.kill()
            each.communicate()
    assert shared < 0.6 * alone


def test_a_killed_worker_is_an_error_of_the_machine(load: ReferenceLoad) -> None:
    (worker,) = workers()
    worker.send_signal(signal.SIGKILL)
    assert until(lambda: gone(worker.pid))
    with pytest.raises(TemporaryError, match="the reference load was killed"):
        load.run()


def test_a_worker_that_hangs_does_not_hang_the_campaign(load: ReferenceLoad, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "_PATIENCE", 0.2)
    (worker,) = workers()
    worker.send_signal(signal.SIGSTOP)
    with pytest.raises(TemporaryError):
        load.run()


def test_workers_do_not_outlive_a_killed_tuner() -> None:
    script = (
        "from tuner.trial.reference import cpu_reference\n"
        f"with cpu_reference(({CPU},)) as load:\n"
        "    load.run()\n"
        "    import psutil, time\n"
        "    print(psutil.Process().children()[0].pid, flush=True)\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        owner.kill()
    assert until(lambda: gone(pid))


def test_the_backend_runs_it_where_a_server_would_run(backend: ProcessBackend) -> None:
    resources = Resources(cpu=1, memory=None)
    with backend.reference(resources) as load:
        load.run()
        (worker,) = workers()
        assert tuple(worker.cpu_affinity()) == backend.cpus(resources).server


def test_cores_that_the_machine_does_not_have_are_a_users_mistake(backend: ProcessBackend) -> None:
    with pytest.raises(UserError, match="a CPU limit of 512"), backend.reference(Resources(cpu=512)):
        raise AssertionError("unreachable")
