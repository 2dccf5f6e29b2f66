"""The service with real campaigns: a commit becomes a pull request, and what was merged is measured again."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.campaign.service import SPEC_PATH, Service, make_service
from tests.watch.conftest import until

pytestmark = pytest.mark.campaign

CONFIGURATION = """\
apiVersion: tuner/v1alpha1
kind: WatchConfiguration
repositories:
  - { name: echo, url: REPOSITORY, team: tests }
teams: { tests: { computeHours: 100 } }
polling: { interval: 500ms, jitter: 10% }
metrics: 127.0.0.1:0
leader: { lease: 3s }
"""


@pytest.fixture
def service(tmp_path: Path) -> Service:
    made = make_service(tmp_path, instances="{ values: [1] }", trials=2)
    (tmp_path / "tuner.yaml").write_text(CONFIGURATION.replace("REPOSITORY", str(made.repository)))
    return made


@contextmanager
def watching(service: Service) -> Iterator[subprocess.Popen[str]]:
    arguments = ("--config", str(service.root / "tuner.yaml"), "--log-level", "info", "--log-format", "json")
    process = service.start("watch", *arguments)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate(timeout=60)


def drained(process: subprocess.Popen[str]) -> list[dict[str, object]]:
    """End the service as an orchestrator does; its log."""
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return [json.loads(line) for line in err.splitlines()]


def ended(service: Service) -> list[str]:
    shown = service.tuner("status", "--repo", str(service.repository), "--json")
    return [row["campaign"] for row in json.loads(shown.stdout)]


def of_campaign(service: Service, *words: str) -> Callable[[], bool]:
    def there() -> bool:
        logs = (service.state / "watch" / "logs").glob("*.log")
        return any(all(word in log.read_text() for word in words) for log in logs)

    return there


def test_a_commit_is_measured_over_a_restart_of_the_service_and_again_on_its_schedule(service: Service) -> None:
    with watching(service) as process:
        until(of_campaign(service, "trial ended"), 200)
        drained(process)
    assert service.strays() == []
    assert ended(service) == []
    with watching(service) as process:
        until(lambda: ended(service) != [], 300)
        log = drained(process)
    campaign = ended(service)[0]
    told = [line for line in log if line["event"] == "a campaign ended"]
    assert len(told) == 1
    assert told[0]["result"] in {"proposed", "kept-baseline", "denied"}
    service.verify(campaign)
    assert service.strays() == []
    records = service.records(campaign)
    finished = [record["body"]["trial"]["number"] for record in records if record["kind"] == "trial-finished"]
    assert len(finished) == len(set(finished)), "a finished trial was run again"
    measured_again(service, campaign)


def measured_again(service: Service, campaign: str) -> None:
    asked = ("echo", "--config", str(service.root / "tuner.yaml"), "--spec", SPEC_PATH)
    occasion = ("--revision", service.git("rev-parse", "HEAD"), "--occasion", "2026-11-29T03:00Z")
    again = json.loads(service.tuner("campaign", *asked, *occasion, "--json").stdout)
    assert again["campaign"] != campaign
    assert again["result"] in {"held", "regressed"}
    assert campaign in again["reason"]
    assert "remeasured" in [record["kind"] for record in service.records(again["campaign"])]
    service.verify(again["campaign"])


def test_a_service_that_is_killed_leaves_no_process_behind(service: Service) -> None:
    with watching(service) as process:
        until(of_campaign(service, "trial ended"), 200)
        process.kill()
        process.communicate(timeout=60)
        until(lambda: service.strays() == [], 60)


def test_a_spec_of_another_revision_is_left_to_the_next_look(service: Service) -> None:
    revision = service.git("rev-parse", "HEAD")
    text = (service.repository / SPEC_PATH).read_text()
    service.write({SPEC_PATH: text.replace("seed: 3", "seed: 4")})
    asked = ("echo", "--config", str(service.root / "tuner.yaml"), "--spec", SPEC_PATH, "--revision", revision)
    answer = json.loads(service.tuner("campaign", *asked, "--json", expect=4).stdout)
    assert "changed since" in answer["error"][0]
    assert answer["delay"] == 5.0


def test_a_service_answers_for_its_health(service: Service) -> None:
    with watching(service) as process:
        port = metrics_port(process)
        until(lambda: requests.get(f"http://127.0.0.1:{port}/readyz", timeout=10).status_code == 200)
        assert requests.get(f"http://127.0.0.1:{port}/healthz", timeout=10).status_code == 200
        assert b"tuner_leader 1.0" in requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).content
        drained(process)


def metrics_port(process: subprocess.Popen[str]) -> int:
    assert process.stderr is not None
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        line = json.loads(process.stderr.readline())
        if line["event"] == "metrics":
            return int(line["port"])
    raise AssertionError("the service did not say where its metrics are")
