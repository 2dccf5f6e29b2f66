"""The OPA server's door: a server that is wrong, slow or gone denies; a local one starts, and never stays behind."""

from __future__ import annotations

import http.server
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tuner.errors import PermanentError, TemporaryError, UserError
from tuner.policy.bundle import PolicyBundle
from tuner.policy.decision import is_outage
from tuner.policy.embedded import EmbeddedEngine
from tuner.policy.model import PolicyInput
from tuner.policy.opa import OpaEngine
from tuner.policy.server import OpaServer
from tuner.policy.signing import new_key, signed_archive

REVISION = "sha256:reviewed"
GOOD = {"allow": True, "deny": [], "warn": [], "packages": ["sla"]}
Handle = Callable[[http.server.BaseHTTPRequestHandler], None]


def answer(body: Any, status: int = 200) -> Handle:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()

    def handle(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Length", str(len(raw)))
        request.end_headers()
        request.wfile.write(raw)

    return handle


CONFIGURATION = {
    "bundles": {"tuner": {"signing": {"keyid": "tuner"}}},
    "keys": {"tuner": {"algorithm": "ES256"}},
    "decision_logs": {"console": True},
}


def provenance(*revisions: str, version: str = "1.22.2") -> dict[str, Any]:
    return {
        "version": version,
        "bundles": {f"bundle-{n}": {"revision": revision} for n, revision in enumerate(revisions)},
    }


@contextmanager
def server(handle: Handle, configuration: Any = CONFIGURATION) -> Iterator[str]:
    """A server on loopback that answers every POST as told, and every GET with its configuration."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer({"result": configuration})(self)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            handle(self)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{made.server_port}"
        made.shutdown()
        thread.join()


def reason(address: str, document: PolicyInput, *, timeout: float = 5.0) -> str:
    engine = OpaEngine(address, REVISION, timeout=timeout)
    verdict = engine.decide(document)
    engine.close()
    assert not verdict.allow
    (denial,) = verdict.denials
    assert (denial.id, denial.severity) == ("policy.engine", "deny")
    return denial.msg


def test_an_answer_by_the_reviewed_policies_counts(allowed: PolicyInput) -> None:
    with server(answer({"result": GOOD, "decision_id": "d-1", "provenance": provenance(REVISION)})) as address:
        engine = OpaEngine(address, REVISION)
        verdict = engine.decide(allowed)
        assert verdict.allow
        assert verdict.decision_id == "d-1"
        engine.close()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"bundles": {}}, "has no bundles"),
        ({"bundles": None}, "has no bundles"),
        ({"bundles": {"tuner": {}}}, "does not verify the bundle tuner"),
        ({"bundles": {"tuner": {"signing": {"scope": "write"}}}}, "does not verify the bundle tuner"),
        ({"bundles": {"tuner": {"signing": {"keyid": "other"}}}}, "does not verify the bundle tuner"),
        ({"keys": None}, "does not verify the bundle tuner"),
        (
            {"bundles": {"tuner": {"signing": {"keyid": "tuner"}}, "more": {"resource": "x"}}},
            "does not verify the bundle more",
        ),
        (
            {"bundles": {"tuner": {"signing": {"keyid": "tuner", "exclude_files": ["data.json"]}}}},
            "leaves files of the bundle tuner unverified",
        ),
        ({"decision_logs": None}, "does not log its decisions"),
    ],
)
def test_a_server_that_verifies_or_logs_nothing_denies(
    allowed: PolicyInput, change: dict[str, Any], expected: str
) -> None:
    good = answer({"result": GOOD, "decision_id": "d-1", "provenance": provenance(REVISION)})
    with server(good, {**CONFIGURATION, **change}) as address:
        assert expected in reason(address, allowed)


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        ({"result": GOOD, "provenance": provenance("sha256:other")}, 200, "has other policies (revision sha256:other"),
        ({"result": GOOD, "provenance": provenance(REVISION, "sha256:more")}, 200, "has other policies"),
        ({"result": GOOD, "provenance": provenance()}, 200, "has other policies (revision none"),
        ({"result": GOOD, "provenance": {"bundles": {"a": None}}}, 200, "has other policies"),
        ({"result": GOOD, "provenance": []}, 200, "has other policies"),
        ({"result": GOOD}, 200, "has other policies (revision none"),
        ({"decision_id": "d", "provenance": provenance(REVISION)}, 200, "no package tuner.main"),
        ({"result": None, "decision_id": "d", "provenance": provenance(REVISION)}, 200, "the policies' answer is not"),
        ({"result": True, "decision_id": "d", "provenance": provenance(REVISION)}, 200, "the policies' answer is not"),
        ({"result": GOOD, "provenance": provenance(REVISION)}, 200, "does not log its decisions"),
        ({"result": GOOD, "decision_id": 1, "provenance": provenance(REVISION)}, 200, "does not log its decisions"),
        ({"result": GOOD, "provenance": provenance(REVISION, version="1.21.2")}, 200, "is 1.21.2: 1.21.3 or newer"),
        ({"result": GOOD, "provenance": provenance(REVISION, version="")}, 200, "is of no version"),
        ({}, 200, "has other policies"),
        ([], 200, "did not answer with an object"),
        (b"", 200, "did not answer with JSON"),
        (b"<html>", 200, "did not answer with JSON"),
        ({"code": "internal_error", "message": "it broke"}, 500, "answered 500 it broke"),
        ({"result": GOOD, "decision_id": "d-1", "provenance": provenance(REVISION)}, 404, "answered 404"),
        (b"unauthorized", 401, "answered 401"),
    ],
)
def test_every_other_answer_denies(allowed: PolicyInput, body: Any, status: int, expected: str) -> None:
    with server(answer(body, status)) as address:
        assert expected in reason(address, allowed)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_server_that_may_answer_later_has_decided_nothing(allowed: PolicyInput, status: int) -> None:
    with server(answer({}, status)) as address:
        busy = OpaEngine(address, REVISION).decide(allowed)
    assert is_outage(busy)
    assert is_outage(OpaEngine(address, REVISION).decide(allowed)), "it is gone"
    other = {"result": GOOD, "decision_id": "d", "provenance": provenance("sha256:other")}
    with server(answer(other)) as address:
        assert is_outage(OpaEngine(address, REVISION).decide(allowed)), "it has other policies"


def test_what_asking_again_does_not_mend_is_no_outage(allowed: PolicyInput) -> None:
    undefined = {"decision_id": "d", "provenance": provenance(REVISION)}
    for body, status in ((undefined, 200), ({"message": "it broke"}, 500), ({}, 404)):
        with server(answer(body, status)) as address:
            verdict = OpaEngine(address, REVISION).decide(allowed)
        assert not verdict.allow
        assert not is_outage(verdict)


def test_a_server_that_does_not_answer_in_time_denies(allowed: PolicyInput) -> None:
    release = threading.Event()

    def wait(request: http.server.BaseHTTPRequestHandler) -> None:
        release.wait(30)
        request.close_connection = True

    with server(wait) as address:
        try:
            assert "did not answer in time" in reason(address, allowed, timeout=0.1)
        finally:
            release.set()


def test_a_server_that_is_gone_denies(allowed: PolicyInput) -> None:
    with server(answer({})) as address:
        pass
    assert "cannot be reached" in reason(address, allowed)


@pytest.mark.parametrize("address", ["", "opa", "ftp://127.0.0.1", "http://", "127.0.0.1:8181"])
def test_an_address_that_is_none_is_a_users_mistake(address: str) -> None:
    with pytest.raises(UserError, match="no address of an OPA server"):
        OpaEngine(address, REVISION)


def test_the_proxy_of_the_environment_is_not_asked_for_loopback(
    allowed: PolicyInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with server(answer({"result": GOOD, "decision_id": "d-1", "provenance": provenance(REVISION)})) as address:
        engine = OpaEngine(address, REVISION)
        assert engine.decide(allowed).allow
        engine.close()


def test_the_embedded_engine_serves_any_thread(allowed: PolicyInput, default_bundle: PolicyBundle) -> None:
    engine = EmbeddedEngine(default_bundle)
    with ThreadPoolExecutor(4) as pool:
        assert all(verdict.allow for verdict in pool.map(engine.decide, [allowed] * 12))


@pytest.mark.real
def test_a_real_server_with_other_policies_denies(allowed: PolicyInput, opa_program: Path) -> None:
    other = PolicyBundle.load({"main.rego": b"package tuner.main\n\nallow := true\ndeny := []\npackages := []\n"})
    with OpaServer(opa_program, other) as engine:
        assert engine.decide(allowed).allow
        engine.revision = REVISION
        (denial,) = engine.decide(allowed).denials
        assert f"revision {other.revision}, expected {REVISION}" in denial.msg


@pytest.mark.real
def test_a_bundle_that_was_changed_after_it_was_signed_is_not_loaded(
    opa_program: Path, default_bundle: PolicyBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = PolicyBundle.load({"main.rego": b"package tuner.main\n\nallow := true\ndeny := []\npackages := []\n"})
    archive = signed_archive(opa_program, default_bundle, new_key())
    monkeypatch.setattr("tuner.policy.server.signed_archive", lambda *_: archive)  # by a key that nobody trusts
    with pytest.raises(PermanentError, match="does not load the policies"), OpaServer(opa_program, default_bundle):
        pytest.fail("started")
    unsigned = io.BytesIO()
    with tarfile.open(fileobj=unsigned, mode="w:gz") as made:
        raw = other.modules["main.rego"].encode()
        entry = tarfile.TarInfo("main.rego")
        entry.size = len(raw)
        made.addfile(entry, io.BytesIO(raw))
    monkeypatch.setattr("tuner.policy.server.signed_archive", lambda *_: unsigned.getvalue())
    with pytest.raises(PermanentError, match="does not load the policies"), OpaServer(opa_program, default_bundle):
        pytest.fail("started")


@pytest.mark.real
def test_every_decision_is_in_the_log_with_its_number_and_revision(
    allowed: PolicyInput, opa_program: Path, default_bundle: PolicyBundle, tmp_path: Path
) -> None:
    log = tmp_path / "decisions.jsonl"
    verdicts = []
    for _ in range(2):
        with OpaServer(opa_program, default_bundle, decisions=log) as engine:
            verdicts.append(engine.decide(allowed))
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert [entry["decision_id"] for entry in entries] == [verdict.decision_id for verdict in verdicts]
    for entry in entries:
        assert entry["bundles"] == {"tuner": {"revision": default_bundle.revision}}
        assert entry["path"] == "tuner/main"
        assert entry["input"]["service"] == "orientation"
        assert entry["result"]["allow"] is True


@pytest.mark.parametrize("private", [b"", b"-----BEGIN PRIVATE KEY-----\n", new_key()[:-40]])
def test_a_key_that_is_none_signs_nothing(tmp_path: Path, default_bundle: PolicyBundle, private: bytes) -> None:
    with pytest.raises(UserError, match="private key in PEM"):
        signed_archive(tmp_path / "opa", default_bundle, private)


@pytest.mark.real
def test_a_server_that_ends_denies(allowed: PolicyInput, opa_program: Path, default_bundle: PolicyBundle) -> None:
    with OpaServer(opa_program, default_bundle) as engine:
        assert engine.decide(allowed).allow
    assert not engine.decide(allowed).allow


@pytest.mark.real
def test_policies_that_opa_cannot_read_do_not_start(opa_program: Path) -> None:
    broken = PolicyBundle.load({"main.rego": b"package tuner.main\n\nallow if {\n"})
    with pytest.raises(PermanentError, match=r"main\.rego:4"), OpaServer(opa_program, broken):
        pytest.fail("started")


def test_a_program_that_is_not_there_does_not_start(tmp_path: Path, default_bundle: PolicyBundle) -> None:
    with pytest.raises(PermanentError, match="cannot sign the policies"), OpaServer(tmp_path / "opa", default_bundle):
        pytest.fail("started")


def test_a_program_that_never_listens_is_given_up(tmp_path: Path, default_bundle: PolicyBundle) -> None:
    program = tmp_path / "opa"
    program.write_text('#!/bin/sh\n[ "$1" = sign ] || exec sleep 600\n')
    program.chmod(0o755)
    with (
        pytest.raises(TemporaryError, match="was not ready"),
        OpaServer(program, default_bundle, start_timeout=0.3),
    ):
        pytest.fail("started")
    assert not [each for each in psutil.process_iter(["cmdline"]) if str(program) in (each.info["cmdline"] or [])]


OWNER = """
import sys, time
from pathlib import Path
from tuner.policy.bundle import PolicyBundle
from tuner.policy.server import OpaServer
from tuner.policy.signing import new_key, signed_archive
with OpaServer(Path(sys.argv[1]), PolicyBundle.default()) as engine:
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.mark.real
def test_no_server_outlives_a_killed_owner(opa_program: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER, str(opa_program)], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"ready\n"
        children = psutil.Process(owner.pid).children(recursive=True)
        assert any(child.name() == "opa" for child in children)
        os.kill(owner.pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while alive := [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]:
        assert time.monotonic() < deadline, alive
        time.sleep(0.05)
