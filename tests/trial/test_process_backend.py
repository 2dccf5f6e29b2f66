"""Servers as local processes: what they are given, and that nothing of them stays."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.trial.conftest import ScriptEngine, gone, until, written_pids
from tuner.engine.probe import fetch
from tuner.engine.protocol import Endpoint, Launch, Ports
from tuner.engine.workload import Resources, Workload
from tuner.errors import TemporaryError, UserError
from tuner.trial.keeper import LOG_LIMIT
from tuner.trial.outcome import FailureKind
from tuner.trial.process import ProcessBackend
from tuner.trial.protocol import TrialFailedError
from tuner.trial.server import ProcessServer


def start(backend: ProcessBackend, script: str, workload: Workload, **more: Any) -> ProcessServer:
    return backend.start(ScriptEngine(script, **more), workload, Path(), "0001")


def test_the_server_gets_its_environment_and_no_more(
    backend: ProcessBackend, workload: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORGE_TOKEN", "a-secret-of-the-tuner")
    script = """
    facts = {"environment": open("/proc/self/environ").read().split("\\0"), "input": sys.stdin.read(),
             "cpus": sorted(os.sched_getaffinity(0)), "session": os.getsid(0) == os.getpid(), "folder": os.getcwd(),
             "descriptors": sorted(os.listdir("/proc/self/fd"))}
    open("facts.json", "w").write(json.dumps(facts))
    serve()
    """
    server = start(backend, script, workload, environment={"MODEL": "demo"})
    facts = json.loads((server.folder / "facts.json").read_text())
    server.stop()
    names = {entry.partition("=")[0] for entry in facts["environment"] if entry}
    assert names == {"MODEL", "TUNER_TRIAL"}
    assert facts["input"] == ""
    assert tuple(facts["cpus"]) == server.cpus.server
    assert not set(facts["cpus"]) & set(server.generator_cpus)
    assert facts["session"]
    assert facts["folder"] == str(server.folder)
    assert len(facts["descriptors"]) == 4  # the three standard ones, and the listing itself


def test_the_log_and_the_rendered_files_are_kept(backend: ProcessBackend, workload: Workload) -> None:
    script = 'print("to output", flush=True); print("to error", file=sys.stderr, flush=True); serve()'
    server = start(backend, script, workload)
    server.stop()
    assert (server.folder / "server.log").read_text() == "to output\nto error\n"
    assert (server.folder / "server.py").exists()
    assert not (server.folder / "keeper.log").exists()


def test_a_second_try_keeps_the_folder_of_the_first(backend: ProcessBackend, workload: Workload) -> None:
    start(backend, 'print("first", flush=True); serve()', workload).stop()
    start(backend, 'print("second", flush=True); serve()', workload).stop()
    logs = [(backend_folder / "server.log").read_text() for backend_folder in sorted(_trials(backend))]
    assert logs == ["second\n", "first\n"]


def _trials(backend: ProcessBackend) -> list[Path]:
    return [path for path in backend._trials.iterdir() if path.is_dir()]


@pytest.mark.parametrize("name", ["", "../evil", "a/b", ".hidden", "A", "x" * 200])
def test_a_name_that_is_no_file_name_is_refused(backend: ProcessBackend, workload: Workload, name: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        backend.start(ScriptEngine("serve()"), workload, Path(), name)


DOUBLE_FORK = """
def orphan():
    # Two forks, a session of its own and an empty environment: nothing left that leads back to the server.
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            open("orphan.new", "w").write(str(os.getpid()))
            os.rename("orphan.new", "orphan")
            os.execve("/bin/sleep", ["sleep", "300"], {})
        os._exit(0)
    os.wait()
    while not os.path.exists("orphan"):
        time.sleep(0.005)
    return int(open("orphan").read())
child = subprocess.Popen(["/bin/sh", "-c", "sleep 300 & echo $!; wait"], stdout=subprocess.PIPE)
grandchild = int(child.stdout.readline())
pids(os.getpid(), child.pid, grandchild, orphan())
"""


def test_children_grandchildren_and_orphans_end_with_stop(backend: ProcessBackend, workload: Workload) -> None:
    server = start(backend, DOUBLE_FORK + "serve()", workload)
    pids = written_pids(server.folder)
    assert len(pids) == 4
    assert not any(gone(pid) for pid in pids)
    server.stop()
    assert all(gone(pid) for pid in pids)


def test_children_end_with_a_server_that_dies(backend: ProcessBackend, workload: Workload) -> None:
    server = start(backend, DOUBLE_FORK + "serve()", workload)
    pids = written_pids(server.folder)
    fetch(server.endpoint, "/die")
    with pytest.raises(TrialFailedError, match="exited under load with code 7"):
        server.wait(20)
    assert all(gone(pid) for pid in pids)
    server.stop()


def test_a_server_that_ignores_the_signal_is_killed(backend: ProcessBackend, workload: Workload) -> None:
    server = start(backend, "signal.signal(signal.SIGTERM, signal.SIG_IGN); pids(os.getpid()); serve()", workload)
    server.stop()
    assert gone(written_pids(server.folder)[0])


def test_a_server_may_end_in_its_own_way(backend: ProcessBackend, workload: Workload) -> None:
    script = """
    def end(*_):
        open("ended", "w").close()
        os._exit(0)
    signal.signal(signal.SIGTERM, end)
    serve()
    """
    server = start(backend, script, workload)
    server.stop()
    assert (server.folder / "ended").exists()


class _Leaving(ScriptEngine):
    def __init__(self, file: Path, stop_signal: signal.Signals) -> None:
        super().__init__("serve()")
        self.file, self.stop_signal = file, stop_signal

    def launch(self, workload: Workload, model: Path, folder: Path, ports: Ports) -> Launch:
        launch = super().launch(workload, model, folder, ports)
        return launch.model_copy(update={"stop_signal": self.stop_signal, "leftovers": (f"{self.file}*",)})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_the_engine_calls_leftovers_is_removed(
    backend: ProcessBackend, workload: Workload, tmp_path: Path, number: signal.Signals
) -> None:
    for name in ("shm-1-region", "shm-1-other", "shm-2-region"):
        (tmp_path / name).touch()
    backend.start(_Leaving(tmp_path / "shm-1-", number), workload, Path(), "0001").stop()
    assert [path.name for path in tmp_path.glob("shm-*")] == ["shm-2-region"]


def test_the_reason_carries_the_end_of_the_log(backend: ProcessBackend, workload: Workload) -> None:
    script = 'print("starting"); print("ERROR: no such layer: conv7"); sys.exit(3)'
    with pytest.raises(TrialFailedError) as caught:
        start(backend, script, workload)
    assert caught.value.failed.failure is FailureKind.START
    assert caught.value.failed.reason == (
        "the server exited before it was ready with code 3\nstarting\nERROR: no such layer: conv7"
    )


def test_a_chatty_server_cannot_fill_the_disk(backend: ProcessBackend, workload: Workload) -> None:
    script = """
    for _ in range(LIMIT // 4096 + 100):
        os.write(1, b"x" * 4095 + b"\\n")
    serve()
    """
    server = start(backend, script.replace("LIMIT", str(LOG_LIMIT)), workload)
    assert until(lambda: server.log.stat().st_size < LOG_LIMIT)
    assert until(lambda: "(an earlier part of this log" in server.log.read_text())
    server.check()
    server.stop()


def test_a_signal_is_named(backend: ProcessBackend, workload: Workload) -> None:
    with pytest.raises(TrialFailedError, match="was killed before it was ready: SIGSEGV"):
        start(backend, "os.kill(os.getpid(), signal.SIGSEGV)", workload)


def test_memory_counts_the_children(backend: ProcessBackend, workload: Workload) -> None:
    script = """
    if os.fork() == 0:
        hog = bytearray(b"x") * (1 << 30)
        time.sleep(300)
    time.sleep(300)
    """
    with pytest.raises(TrialFailedError, match=r"passed its memory limit of 256 MiB") as caught:
        start(backend, script, workload)
    assert caught.value.failed.failure is FailureKind.OUT_OF_MEMORY


def test_a_hog_under_load_is_told_from_a_crash(backend: ProcessBackend, workload: Workload) -> None:
    server = start(backend, "serve()", workload)
    fetch(server.endpoint, "/hog")
    with pytest.raises(TrialFailedError, match="passed its memory limit of 256 MiB under load") as caught:
        server.wait(20)
    assert caught.value.failed.failure is FailureKind.OUT_OF_MEMORY
    assert server.usage().peak_memory > 256 * 2**20
    server.stop()


def test_pages_that_processes_share_count_once(backend: ProcessBackend, workload: Workload) -> None:
    script = """
    hog = bytearray(b"x") * (150 << 20)
    for _ in range(3):
        if os.fork() == 0:
            signal.pause()
    serve()
    """
    server = start(backend, script, workload)
    assert until(lambda: server.usage().peak_memory > 150 * 2**20)
    server.check()
    server.stop()
    assert server.usage().peak_memory < 200 * 2**20


def test_processor_time_counts_the_children_that_have_ended(backend: ProcessBackend, workload: Workload) -> None:
    script = """
    def burn():
        while time.process_time() < 0.2:
            pass
        os._exit(0)
    if os.fork() == 0:
        burn()
    if os.fork() == 0:
        if os.fork() == 0:
            os.setsid()
            burn()
        os._exit(0)
    os.wait(), os.wait()
    serve()
    """
    server = start(backend, script, workload)
    assert until(lambda: server.usage().cpu_seconds >= 0.4)
    server.stop()
    assert 0.4 <= server.usage().cpu_seconds < 5


def test_without_a_limit_nothing_is_killed(backend: ProcessBackend) -> None:
    server = start(backend, 'hog = bytearray(b"x") * (300 << 20); serve()', Workload(image="x"))
    assert server.usage().peak_memory > 300 * 2**20
    server.stop()


def test_a_missing_program_is_the_machines_fault(backend: ProcessBackend, workload: Workload) -> None:
    class Missing(ScriptEngine):
        def launch(self, workload: Workload, model: Path, folder: Path, ports: Ports) -> Launch:
            endpoint = Endpoint(host="127.0.0.1", ports=ports)
            return Launch(argv=("/no/such/server",), environment={}, endpoint=endpoint)

    with pytest.raises(TemporaryError, match=r"cannot start /no/such/server: .*No such file"):
        backend.start(Missing(""), workload, Path(), "0001")


def test_a_full_disk_while_preparing_is_the_machines_fault(backend: ProcessBackend, workload: Workload) -> None:
    class Full(ScriptEngine):
        def launch(self, workload: Workload, model: Path, folder: Path, ports: Ports) -> Launch:
            Path("/dev/full").write_text("configuration")
            raise AssertionError("unreachable")

    with pytest.raises(TemporaryError, match="No space left on device"):
        backend.start(Full(""), workload, Path(), "0001")


def test_a_server_that_ends_on_a_full_disk_is_not_to_blame(
    backend: ProcessBackend, workload: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.statvfs
    nothing = os.statvfs_result((4096, 4096, 1000, 0, 0, 1000, 500, 500, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda path: nothing if str(path).endswith("0001") else real(path))
    with pytest.raises(TemporaryError, match="is full"):
        start(backend, "sys.exit(1)", workload)


def test_a_limit_beyond_the_machine_is_a_persons_mistake(backend: ProcessBackend) -> None:
    with pytest.raises(UserError, match="a CPU limit of 4096 needs 4096 CPUs"):
        start(backend, "serve()", Workload(image="x", resources=Resources(cpu=4096)))
    with pytest.raises(UserError, match=r"needs 1 × nvidia.com/mig-1g.10gb, this machine has 0"):
        start(backend, "serve()", Workload(image="x", resources=Resources(gpus={"nvidia.com/mig-1g.10gb": 1})))


def test_a_port_that_another_program_took_is_replaced(backend: ProcessBackend, workload: Workload) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        engine = ScriptEngine("serve()", ports=(other.getsockname()[1],))
        server = backend.start(engine, workload, Path(), "0001")
        server.stop()
    assert engine.launches == 2


def test_an_answer_of_somebody_elses_server_is_not_believed(backend: ProcessBackend, workload: Workload) -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        script = f"serve() if port != {other.server_port} else time.sleep(300)"
        engine = ScriptEngine(script, ports=(other.server_port,))
        server = backend.start(engine, workload, Path(), "0001")
        assert server.endpoint.ports.http != other.server_port
        server.stop()
        other.shutdown()
    assert engine.launches == 2


def test_ports_lost_again_and_again_are_the_machines_fault(backend: ProcessBackend, workload: Workload) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        engine = ScriptEngine("serve()", ports=(other.getsockname()[1],) * 9)
        with pytest.raises(TemporaryError, match="took the server's ports"):
            backend.start(engine, workload, Path(), "0001")


def test_an_interrupt_during_the_start_ends_the_server(backend: ProcessBackend, workload: Workload) -> None:
    class Interrupted(ScriptEngine):
        def ready(self, endpoint: Endpoint) -> bool:
            if until(lambda: fetch(endpoint, "/") is not None):
                raise KeyboardInterrupt
            return False

    with pytest.raises(KeyboardInterrupt):
        backend.start(Interrupted("pids(os.getpid()); serve()"), workload, Path(), "0001")
    assert gone(written_pids(_trials(backend)[0])[0])


def test_a_killed_keeper_takes_the_server_along(backend: ProcessBackend, workload: Workload) -> None:
    server = start(backend, "pids(os.getpid(), os.getppid()); serve()", workload)
    pid, keeper = written_pids(server.folder)
    os.kill(keeper, signal.SIGKILL)
    assert until(lambda: gone(pid))
    with pytest.raises(TemporaryError, match="keeper"):
        server.check()
    server.stop()
    server.usage()
