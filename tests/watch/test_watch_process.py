"""Campaigns as processes: what their end means, what they are given, and that they never outlive their service."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.watch.conftest import configuration, until
from tuner.errors import PermanentError
from tuner.watch.job import Ended, Job
from tuner.watch.process import ProcessRunner

JOB = Job(1, "work", "a.yaml", "a" * 40, "", "echo", "", "process", 0, 0, 0.0, 1.0)
CHOICE = configuration("name: work, url: /srv/work, token: {env: WORK_PASSPHRASE}")
ACCOUNT = {"campaign": "echo-1", "result": "proposed", "reason": "better", "compute_hours": 0.5}


def run(folder: Path, script: str) -> Ended:
    process = runner(folder, script).start(JOB)
    until(lambda: process.ended() is not None)
    found = process.ended()
    assert found is not None
    return found


def runner(folder: Path, script: str, patience: float = 5.0) -> ProcessRunner:
    program = folder / "program.py"
    program.write_text(script)
    return ProcessRunner(
        folder / "tuner.yaml", CHOICE, folder / "state", patience, program=(sys.executable, str(program))
    )


def ending(status: int, document: object) -> str:
    return f"import sys\nsys.stdout.write({json.dumps(document)!r})\nsys.exit({status})\n"


def test_an_account_is_an_end(tmp_path: Path) -> None:
    ended = run(tmp_path, ending(0, ACCOUNT))
    assert (ended.how, ended.reason) == ("done", "better")
    assert ended.account is not None
    assert ended.account.compute_hours == 0.5


@pytest.mark.parametrize(("status", "how"), [(1, "failed"), (2, "refused"), (4, "retry"), (130, "stopped")])
def test_an_exit_code_says_what_to_do(tmp_path: Path, status: int, how: str) -> None:
    ended = run(tmp_path, ending(status, {"error": ["it went wrong"], "exit": status, "delay": 7.0}))
    assert ended.how == how
    assert ended.reason == "it went wrong"


@pytest.mark.parametrize("document", ["no json", [], {"campaign": 7}, {"error": []}])
@pytest.mark.parametrize("status", [0, 1, 2, 77])
def test_an_end_without_a_word_is_an_outage(tmp_path: Path, status: int, document: object) -> None:
    assert run(tmp_path, ending(status, document)).how == "retry"


def test_a_process_that_is_killed_is_an_outage(tmp_path: Path) -> None:
    assert run(tmp_path, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n").how == "retry"


def test_a_campaign_gets_its_own_secrets_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORK_PASSPHRASE", "for-git")
    monkeypatch.setenv("DATABASE_PASSWORD", "for-the-service")
    monkeypatch.setenv("GIT_SSH_COMMAND", "run-me")
    script = (
        "import json, os, sys\n"
        "sys.stdout.write(json.dumps({'error': sorted(os.environ) + sys.argv, 'exit': 1}))\n"
        "sys.exit(1)\n"
    )
    told = run(tmp_path, script).reason.split("; ")
    assert "WORK_PASSPHRASE" in told
    assert "PATH" in told
    assert not {"DATABASE_PASSWORD", "GIT_SSH_COMMAND"} & set(told)
    assert "--spec" in told
    assert "for-git" not in told


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="cannot be started"):
        ProcessRunner(tmp_path / "t.yaml", CHOICE, tmp_path, 1.0, program=(str(tmp_path / "none"),)).start(JOB)


LISTENING = """
import signal, sys, time
sys.path[:0] = PATH
from tuner.watch.heartbeat import listen
listen(PATIENCE)
try:
    print("up", file=sys.stderr, flush=True)
    while True:
        time.sleep(60)
except KeyboardInterrupt:
    sys.stdout.write('{"error": ["stopped cleanly"], "exit": 130}')
    sys.exit(130)
"""


def listening(patience: float) -> str:
    return LISTENING.replace("PATH", repr([str(Path(__file__).parents[2])])).replace("PATIENCE", str(patience))


def up(folder: Path) -> bool:
    log = folder / "state" / "watch" / "logs" / "1.log"
    return log.is_file() and b"up" in log.read_bytes()


def test_a_campaign_stops_when_its_service_says_nothing_any_more(tmp_path: Path) -> None:
    process = runner(tmp_path, listening(1.0)).start(JOB)
    until(lambda: process.ended() is not None)
    assert process.ended() == Ended("stopped", "stopped cleanly")


def test_a_campaign_goes_on_while_its_service_leads(tmp_path: Path) -> None:
    process = runner(tmp_path, listening(3.0)).start(JOB)
    until(lambda: up(tmp_path))

    def beaten(count: list[int]) -> bool:
        process.beat()
        count[0] += 1
        return count[0] > 400

    until(lambda state=[0]: beaten(state), 60)  # type: ignore[misc]
    assert process.ended() is None
    process.interrupt()
    until(lambda: process.ended() is not None)
    assert process.ended() == Ended("stopped", "stopped cleanly")


def test_a_campaign_does_not_outlive_a_service_that_was_killed(tmp_path: Path) -> None:
    script = f"""
import sys, time
sys.path[:0] = {[str(Path(__file__).parents[2])]!r}
from pathlib import Path
from tests.watch.test_watch_process import JOB, listening, runner
child = runner(Path({str(tmp_path)!r}), listening(60.0)).start(JOB)
print(child.child.pid, flush=True)
time.sleep(600)
"""
    service = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert service.stdout is not None
    child = psutil.Process(int(service.stdout.readline()))
    until(lambda: up(tmp_path), 60)
    os.kill(service.pid, signal.SIGKILL)
    service.wait()
    service.stdout.close()
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_a_campaign_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    stubborn = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "print('up', file=sys.stderr, flush=True)\n"
        "time.sleep(600)\n"
    )
    process = runner(tmp_path, stubborn).start(JOB)
    until(lambda: up(tmp_path))
    process.interrupt()
    assert process.ended() is None
    process.kill()
    until(lambda: process.ended() is not None)
