"""The process that waits for a campaign: what it knows before, that it works as any other, and that it never stays."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.watch.conftest import configuration, until
from tuner.watch.job import Ended, Job
from tuner.watch.process import ProcessRunner, common_environment
from tuner.watch.standby import LONGEST_ORDER, Order, Standby, read_order

SECRET = "correct-horse-battery"
CHOICE = configuration("name: work, url: /srv/work, token: {env: WORK_PASSPHRASE}")
ROOT = Path(__file__).parents[2]
WAITING = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}]
from tuner.watch.standby import read_order
order = read_order(0)
if order is not None:
    told = ",".join([sys.argv[1], *sorted(order.environment)])
    open(order.out, "w").write('{{"error": ["' + told + '"], "exit": 1}}')
    sys.exit(1)
"""


def job(number: int) -> Job:
    return Job(number, "work", "a.yaml", "a" * 40, "", "echo", "", "process", 0, 0, 0.0, 1.0)


@pytest.fixture
def standby(tmp_path: Path) -> Iterator[Standby]:
    program = tmp_path / "waiting.py"
    program.write_text(WAITING)
    command = (sys.executable, str(program), "kept-ready")
    with closing(Standby(command, common_environment(), tmp_path / "standby.log")) as made:
        yield made


def runner(folder: Path, standby: Standby) -> ProcessRunner:
    """A process that is started anew says ``started-anew``."""
    program = folder / "program.py"
    program.write_text('import sys\nsys.stdout.write(\'{"error": ["started-anew"], "exit": 1}\')\nsys.exit(1)\n')
    options = (folder / "tuner.yaml", CHOICE, folder / "state", 5.0)
    return ProcessRunner(*options, program=(sys.executable, str(program)), standby=standby)


def end_of(folder: Path, standby: Standby, number: int = 1) -> Ended:
    process = runner(folder, standby).start(job(number))
    until(lambda: process.ended() is not None)
    found = process.ended()
    assert found is not None
    return found


def is_waiting(standby: Standby) -> bool:
    return standby.pid is not None


def waiting(standby: Standby) -> psutil.Process:
    assert standby.pid is not None
    return psutil.Process(standby.pid)


def test_it_knows_no_secret_before_its_order(tmp_path: Path, standby: Standby, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORK_PASSPHRASE", SECRET)
    standby.prepare()
    process = waiting(standby)
    until(lambda: "waiting.py" in " ".join(process.cmdline()))
    assert SECRET not in json.dumps([process.environ(), process.cmdline()])
    assert "WORK_PASSPHRASE" not in process.environ()
    assert end_of(tmp_path, standby) == Ended("failed", "kept-ready,WORK_PASSPHRASE")


def test_the_next_one_is_started_when_a_campaign_has_ended(tmp_path: Path, standby: Standby) -> None:
    standby.prepare()
    first = standby.pid
    process = runner(tmp_path, standby).start(job(1))
    assert not is_waiting(standby), "it is at work"
    assert end_of(tmp_path, standby, 2) == Ended("failed", "started-anew"), "two orders at once: one starts anew"
    second = standby.pid
    until(lambda: process.ended() is not None)
    assert process.ended() == Ended("failed", "kept-ready")
    assert second is not None
    assert standby.pid == second != first, "there is one at most"


def test_without_it_a_campaign_is_started_as_any_process(tmp_path: Path, standby: Standby) -> None:
    assert end_of(tmp_path, standby, 1).reason == "started-anew", "it was never prepared"
    process = waiting(standby)
    process.send_signal(signal.SIGKILL)
    until(lambda: standby.pid is None)
    assert end_of(tmp_path, standby, 2).reason == "started-anew", "it died"
    assert end_of(tmp_path, standby, 3).reason == "kept-ready", "and was replaced"


def test_one_that_cannot_be_started_costs_nothing(tmp_path: Path) -> None:
    with closing(Standby((str(tmp_path / "none"),), {}, tmp_path / "standby.log")) as standby:
        standby.prepare()
        assert standby.pid is None
        assert end_of(tmp_path, standby).reason == "started-anew"


def test_an_order_that_is_too_long_is_not_given(standby: Standby) -> None:
    standby.prepare()
    order = Order(arguments=("x" * LONGEST_ORDER,), environment={}, out="o", log="l")
    before = standby.pid
    assert standby.take(order) is None
    assert standby.pid == before, "it waits for the next one"


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"no json\n",
        b"{}\n",
        b'{"arguments": ["x"], "environment": {}, "out": "o"}\n',
        b"\n",
        b'{"arguments": ["x"]',
    ],
)
def test_what_is_no_order_is_none(sent: bytes) -> None:
    reading, writing = os.pipe()
    os.write(writing, sent)
    os.close(writing)
    with os.fdopen(reading, "rb", buffering=0) as file:
        assert read_order(file.fileno()) is None


def test_an_order_without_an_end_is_not_kept() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"x" * (LONGEST_ORDER + 10))
    with os.fdopen(reading, "rb", buffering=0) as file, os.fdopen(writing, "wb"):
        assert read_order(file.fileno()) is None


def test_beats_behind_an_order_are_left_for_whoever_listens() -> None:
    order = Order(arguments=("campaign",), environment={"A": "b"}, out="o", log="l")
    reading, writing = os.pipe()
    os.write(writing, order.model_dump_json().encode() + b"\n..")
    os.close(writing)
    with os.fdopen(reading, "rb", buffering=0) as file:
        assert read_order(file.fileno()) == order
        assert file.read() == b".."


def test_an_order_shows_no_secret() -> None:
    assert SECRET not in repr(Order(arguments=(), environment={"TOKEN": SECRET}, out="o", log="l"))


KEEPING = f"""
import sys, time
sys.path[:0] = [{str(ROOT)!r}]
from pathlib import Path
from tuner.watch.process import common_environment
from tuner.watch.standby import Standby
made = Standby((sys.executable, "-m", "tuner.cli.standby"), common_environment(), Path("standby.log"))
made.prepare()
print(made.pid, flush=True)
time.sleep(60)
"""


def test_it_ends_with_a_service_that_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen((sys.executable, "-c", KEEPING), cwd=tmp_path, stdout=subprocess.PIPE) as service:
        assert service.stdout is not None
        kept = psutil.Process(int(service.stdout.readline()))
        assert kept.is_running()
        service.kill()
        service.wait()
        until(lambda: not kept.is_running() or kept.status() == psutil.STATUS_ZOMBIE, 60)
    assert (tmp_path / "standby.log").read_text() == "", "it ends in silence"


def test_none_is_left_when_it_is_closed(standby: Standby) -> None:
    standby.prepare()
    process = waiting(standby)
    standby.close()
    assert not process.is_running()
    standby.prepare()
    assert standby.pid is None, "a campaign that ends during the shutdown starts no other"
