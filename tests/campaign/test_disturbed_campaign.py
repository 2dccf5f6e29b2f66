"""A campaign whose surroundings fail: it says so in one line, loses nothing, and goes on when they are mended."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed import serving
from testbed.demo import make_repository
from tests.campaign.service import SPEC_PATH, Service, bare_environment
from tests.campaign.test_campaign import policies
from tests.campaign.test_killed_campaign import check_whole
from tuner.ledger.signature import ServiceKey

pytestmark = pytest.mark.campaign

Make = Callable[..., Service]


def ledger_of(service: Service) -> Path | None:
    return next(iter(service.state.glob("campaigns/*/ledger.jsonl")), None)


def wait_for(service: Service, kind: str, process: subprocess.Popen[str]) -> None:
    """Until the ledger has a record of that kind."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        ledger = ledger_of(service)
        if ledger is not None and f'"kind":"{kind}"' in ledger.read_text(errors="replace"):
            return
        time.sleep(0.02)  # looking for a record, with a deadline
    pytest.fail(f"no {kind} before the end: {process.poll()}")


def test_interrupted_it_says_how_to_go_on_and_goes_on(make_service: Make) -> None:
    service = make_service(policies(99), instances="{ values: [1, 4] }", trials=3)
    process = service.start("run", str(service.repository / SPEC_PATH))
    wait_for(service, "trial-finished", process)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "the same command resumes" in err
    assert "Traceback" not in err
    assert service.strays() == []
    check_whole(service, service.run())


def test_a_disk_without_room_is_told_and_nothing_is_lost(make_service: Make) -> None:
    """No file may grow beyond 48 KiB: study and ledger meet that at the beginning of the search."""
    service = make_service(policies(99), instances="{ values: [1, 4] }", trials=3)
    spec = str(service.repository / SPEC_PATH)
    tuner = str(Path(sys.executable).with_name("tuner"))

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (48 * 1024, 48 * 1024))

    done = subprocess.run(
        [tuner, "run", spec],
        env={**bare_environment(service.root), "TUNER_STATE": str(service.state)},
        preexec_fn=limited,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode in (1, 4), done.stderr
    assert "Traceback" not in done.stderr
    assert any(told in done.stderr for told in ("grow", "written", "File too large", "disk I/O error")), done.stderr
    assert service.strays() == []
    check_whole(service, service.run())


def test_a_lost_state_folder_does_not_run_an_ended_campaign_again(make_service: Make) -> None:
    service = make_service(policies(99), instances="{ values: [1, 4] }", trials=3)
    ended = service.run()
    shutil.rmtree(service.state / "campaigns")
    told = json.loads(service.tuner("watch", str(service.repository), "--once", "--json").stdout)
    assert [one["campaign"] for one in told] == [ended["campaign"]]
    assert told[0]["result"] == ended["result"]
    assert not (service.state / "campaigns").exists()
    assert len(service.pulls()) == 1


def test_two_tuners_at_once_run_one_campaign(make_service: Make) -> None:
    service = make_service(policies(99), instances="{ values: [1, 4] }", trials=3)
    first = service.start("run", str(service.repository / SPEC_PATH), "--json")
    wait_for(service, "trial-started", first)
    second = service.tuner("run", str(service.repository / SPEC_PATH), expect=4)
    assert "another process" in second.stderr
    out, err = first.communicate(timeout=400)
    assert first.returncode == 0, err
    check_whole(service, json.loads(out))


@pytest.mark.real
def test_a_model_that_does_not_load_is_told_in_the_words_of_the_server(tmp_path: Path) -> None:
    service = Service(tmp_path)
    model = tmp_path / "broken.onnx"
    model.write_bytes(b"this is no model")
    service.environment["TUNER_TRITON_HOME"] = str(serving.install())
    make_repository(service.repository, model, ServiceKey.load(service.state / "key").allowed_signer)
    told = service.tuner("watch", str(service.repository), "--once", "--json", expect=1)
    (one,) = json.loads(told.stdout)
    assert one["result"] == "failed"
    assert "the baseline cannot be measured" in one["reason"]
    assert "model.onnx" in one["reason"] or "Protobuf" in one["reason"], one["reason"]
    assert service.strays() == []
