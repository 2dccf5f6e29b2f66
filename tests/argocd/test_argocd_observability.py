"""Every query of the alert rules and the dashboard, run by a real Prometheus that scrapes a service: it gets data."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.repository.conftest import Plain
from tests.watch.conftest import SPEC, Place, Recorder, configuration, spec, started, until
from tuner.experience.database import sqlite_url
from tuner.watch.job import Account, Ended, Job
from tuner.watch.server import WebServer
from tuner.watch.service import Service
from tuner.watch.web import monitoring

FOLDER = Path(__file__).parents[2] / "argocd" / "observability"
COMPARED = re.compile(r"^(?P<query>.+) (?P<sign>[<>]) (?P<limit>[0-9.]+)$")


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / "alerts.yaml").read_text(encoding="utf-8"))["spec"]["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return list(json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))["panels"])


def queries() -> dict[str, str]:
    found = {}
    for rule in rules():
        match = COMPARED.match(rule["expr"])
        assert match is not None, rule
        found[f"alert {rule['alert']}"] = match["query"]
    for panel in panels():
        found |= {f"panel {panel['title']} {target['refId']}": target["expr"] for target in panel["targets"]}
    return found


def outcome(job: Job) -> Ended:
    """An end that touches every metric."""
    account = Account(
        campaign=f"{job.service}-{job.id}",
        result="regressed",
        reason="below the record",
        compute_hours=0.5,
        phases={"search": 300.0, "confirm": 120.0},
        trials={"completed": 9, "failed": 2},
        denials=("cost.too_dear",),
        limits={"core": 4_321},
    )
    return Ended("done", account.reason, account)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    work = Plain(folder / "work")
    work.folder.mkdir()
    work.git("init", "-q", "-b", "main")
    work.commit({SPEC: spec()})
    settings = configuration(
        f"name: work, url: {work.folder}, team: vision", teams="{vision: {}}", polling="{interval: 200ms}"
    )
    made = Place(folder, sqlite_url(folder / "state.db")).service(settings, Recorder(outcome=outcome))
    with started(made):
        until(
            lambda: made.metrics.registry.get_sample_value("tuner_regressed", {"repository": "work", "service": "echo"})
        )
        yield made


@pytest.fixture(scope="module")
def prometheus(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("Prometheus is not installed (Debian package prometheus)")
    folder = tmp_path_factory.mktemp("prometheus")
    port = free_port()
    with WebServer(monitoring(service.metrics, service.wrong, service.ready), "127.0.0.1:0", name="metrics") as server:
        (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "tuner", "rules": rules()}]}))
        settings = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(folder / "rules.yaml")],
            "scrape_configs": [
                {"job_name": "tuner", "static_configs": [{"targets": [f"127.0.0.1:{server.port}"]}]},
            ],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
        options = [f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [program, f"--config.file={folder}/prometheus.yml", *options], stdout=log, stderr=log, cwd=folder
            )
            try:
                yield f"http://127.0.0.1:{port}"
            finally:
                process.terminate()
                process.wait(30)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def ask(prometheus: str, query: str) -> list[Any]:
    try:
        answer = requests.get(f"{prometheus}/api/v1/query", params={"query": query}, timeout=10)
    except requests.ConnectionError:
        return []
    document = answer.json()
    assert document["status"] == "success", document
    return list(document["data"]["result"])


def is_data(result: list[Any]) -> bool:
    return bool(result) and all(series["value"][1] != "NaN" for series in result)


@pytest.mark.real
@pytest.mark.parametrize("name", queries())
def test_a_query_gets_data(prometheus: str, service: Service, name: str) -> None:
    deadline = time.monotonic() + 60
    result: list[Any] = []
    while not is_data(result) and time.monotonic() < deadline:
        service.metrics.phases.labels("search").observe(300.0)
        service.metrics.phases.labels("confirm").observe(120.0)
        threading.Event().wait(0.2)
        result = ask(prometheus, queries()[name])
    assert is_data(result), result


@pytest.mark.real
def test_an_alert_fires_where_it_should(prometheus: str) -> None:
    until(lambda: ask(prometheus, 'ALERTS{alertname="TunerServiceRegressed", alertstate="firing"}'), 60)
    names = {alert["metric"]["alertname"] for alert in ask(prometheus, 'ALERTS{alertstate="firing"}')}
    assert names == {"TunerServiceRegressed"}


@pytest.mark.real
def test_the_rules_are_well_formed(tmp_path: Path) -> None:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("Prometheus is not installed (Debian package prometheus)")
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "tuner", "rules": rules()}]}))
    done = subprocess.run([program, "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules())} rules found" in done.stdout


def test_every_alert_says_what_to_do() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["action"]


def test_every_metric_is_shown_or_watched(service: Service) -> None:
    asked = " ".join(queries().values())
    families = {family.name for family in service.metrics.registry.collect()}
    assert sorted(name for name in families if name not in asked) == []
