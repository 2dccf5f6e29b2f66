"""Work done while a server starts: beside it, on the other cores, over before a load is sent, and never in the way."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from tuner.campaign.ahead import Ahead, AheadBackend, imports
from tuner.engine.simulator import SimulatorEngine
from tuner.engine.workload import Resources, Workload
from tuner.trial.process import ProcessBackend


def test_the_tasks_of_one_start_are_over_when_waited_for_and_the_next_ones_follow() -> None:
    gate, done = threading.Event(), list[str]()

    def slow(_: tuple[int, ...]) -> None:
        gate.wait(30)
        done.append("slow")

    ahead = Ahead([(slow, lambda _: done.append("quick")), (lambda _: done.append("next"),)])
    ahead.begin(())
    assert "slow" not in done, "the caller goes on beside it"
    gate.set()
    ahead.finish()
    assert sorted(done) == ["quick", "slow"]
    for _ in range(2):
        ahead.begin(())
        ahead.finish()
    assert done[2:] == ["next"]


def test_it_keeps_to_the_cores_of_the_load_generator_and_leaves_the_caller_where_it_was() -> None:
    mine, seen = os.sched_getaffinity(0), list[set[int]]()
    last = max(mine)
    ahead = Ahead([(lambda _: seen.append(os.sched_getaffinity(0)),)])
    ahead.begin((last,))
    ahead.finish()
    assert seen == [{last}]
    assert os.sched_getaffinity(0) == mine


def test_a_task_that_fails_fails_where_its_work_is_needed() -> None:
    ahead = Ahead([(imports("tuner.no_such_module"),)])
    ahead.begin(())
    ahead.finish()


def test_the_start_of_a_server_is_what_is_used(tmp_path: Path) -> None:
    inner = ProcessBackend(tmp_path / "trials", state=tmp_path / "state", grace=1.0)
    got = list[tuple[int, ...]]()
    backend = AheadBackend(inner, ahead := Ahead([(got.append,)]))
    workload = Workload(image="example/simulator:1", resources=Resources(cpu=1, memory=256 * 2**20))
    server = backend.start(SimulatorEngine(), workload, tmp_path, "0001")
    try:
        ahead.finish()
        assert got == [server.generator_cpus]
    finally:
        server.stop()
    assert (backend.name, backend.reap()) == (inner.name, 0)
