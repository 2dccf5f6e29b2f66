"""A server's threads stay on the CPUs that it was given, also those that pin themselves elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tuner.trial.pinning import Pinning

RESTLESS = """
import os, threading, time
def leave():
    os.sched_setaffinity(0, os.sched_getaffinity(os.getppid()))
    print("left", flush=True)
    time.sleep(600)
threading.Thread(target=leave, daemon=True).start()
time.sleep(600)
"""


@pytest.fixture
def restless() -> Iterator[int]:
    """A process that is told to keep to one CPU, with a thread that does not."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.fail("this needs two CPUs")
    first = min(os.sched_getaffinity(0))
    process = subprocess.Popen(
        [sys.executable, "-c", RESTLESS],
        stdout=subprocess.PIPE,
        preexec_fn=lambda: os.sched_setaffinity(0, {first}),
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process.pid
    process.kill()
    process.communicate()


def affinities(pid: int) -> list[set[int]]:
    return [os.sched_getaffinity(int(thread.name)) for thread in Path(f"/proc/{pid}/task").iterdir()]


def test_a_thread_that_left_is_put_back(restless: int) -> None:
    first = min(os.sched_getaffinity(0))
    assert any(found != {first} for found in affinities(restless))
    assert Pinning([first]).look([restless]) == 1
    assert all(found == {first} for found in affinities(restless))


def test_threads_are_left_alone_without_cpus_to_keep_to(restless: int) -> None:
    assert Pinning([]).look([restless]) == 0


def test_a_process_that_ended_is_no_mistake() -> None:
    assert Pinning(os.sched_getaffinity(0)).look([2**22 + 1]) == 0


def test_it_looks_again_and_again(restless: int) -> None:
    first = min(os.sched_getaffinity(0))
    pinning = Pinning([first])
    pinning.look([restless])
    os.sched_setaffinity(restless, os.sched_getaffinity(0))
    deadline = time.monotonic() + 10
    while not pinning.look([restless]):
        assert time.monotonic() < deadline
    assert all(found == {first} for found in affinities(restless))
