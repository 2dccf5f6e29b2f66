"""From a push to the first trial, and from the verdict to the open pull request: a real service and a real Gitea.

Each repetition pushes a new service with its spec to a Gitea on this machine, whose webhook tells a ``tuner watch``
process that would otherwise look once in an hour. The push is timed here, from before ``git push`` and from its end;
everything after it is what the campaign's ledger says. The campaign is a real one of the simulator.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import requests

from bench.result import ROOT
from testbed.gitea import Account, Gitea, gitea_server
from tests.campaign.service import MANIFEST, sample, spec_text
from tests.campaign.test_campaign import policies
from tuner.campaign.event import CampaignStarted, Judged, PullRequestChanged, TrialStarted
from tuner.campaign.journal import read_events
from tuner.ledger.chain import read_chain
from tuner.measurement.benchmark import Figure
from tuner.pull_request.project import Project
from tuner.repository.address import Access
from tuner.repository.commit import Identity
from tuner.repository.repository import Repository

__all__ = ["figures_of_pushes", "measure_pushes"]

REPETITIONS = 7
_SCOPES = "write:repository,write:issue,read:user"
_ADA = Identity(name="Ada", email="ada@example.com")
_PATIENCE = 300.0
_CONFIGURATION = """\
apiVersion: tuner/v1alpha1
kind: WatchConfiguration
repositories:
  - {{ name: fleet, url: {url}, branch: main, forge: ours }}
forges:
  ours: {{ kind: gitea, token: {{ file: {token} }} }}
polling: {{ interval: 1h, jitter: 0% }}
metrics: 127.0.0.1:{metrics}
webhook: {{ listen: 127.0.0.1:{hook}, secret: {{ file: {secret} }} }}
"""


@dataclass(frozen=True)
class _Fleet:
    """A repository of services on a Gitea, and the folder of the service that watches it."""

    root: Path
    gitea: Gitea
    ada: Account
    work: Repository
    project: str
    ports: tuple[int, int]
    """Of the metrics and of the webhooks."""
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "log", self.root / "service.log")

    def push(self, files: Mapping[str, bytes]) -> tuple[float, float]:
        """A person's commit on ``main``: when its push began and when it was over."""
        tip = self.work.branch("main")
        now = datetime.now(UTC)
        commit = self.work.commit(parent=tip, changes=files, message="a service", date=now, author=_ADA, committer=_ADA)
        began = time.time()
        self.work.push("main", commit, expected=tip)
        return began, time.time()

    def chain(self, name: str) -> bytes:
        """The ledger of the service's campaign; empty before it has one."""
        found = list((self.root / "state" / "campaigns").glob(f"{name}-*/ledger.jsonl"))
        return found[0].read_bytes() if found else b""


def measure_pushes(repetitions: int = REPETITIONS) -> list[dict[str, Any]]:
    """One entry for each push, in seconds; RuntimeError where a campaign did not end with a pull request."""
    with tempfile.TemporaryDirectory(prefix="tuner-bench-") as scratch, gitea_server() as gitea:
        fleet = _make_fleet(Path(scratch), gitea)
        with _watching(fleet) as service:
            runs = []
            for number in range(repetitions + 1):  # the first is not counted: the service has no clone yet
                _until(lambda: _rests(service), fleet)
                runs.append(_pushed(fleet, f"s{number}"))
                sys.stderr.write(f"{runs[-1]}\n")
            return runs[1:]


def figures_of_pushes(runs: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """Medians, each with the range of all."""
    count = f"{len(runs)} pushes to Gitea"

    def figure(name: str, key: str, goal: str | None = None) -> Figure:
        values = [run[key] for run in runs]
        return Figure.of(name, round(median(values), 3), "s", interval=(min(values), max(values)), goal=goal)

    return [
        figure(f"push to first trial with a webhook, {count}", "first_trial_s", "<= 2"),
        figure("the same from the end of git push", "first_trial_after_push_s"),
        figure("webhook to the campaign's first record", "campaign_s"),
        figure("verdict to open pull request on Gitea", "pull_request_s", "<= 5"),
    ]


def _pushed(fleet: _Fleet, name: str) -> dict[str, Any]:
    load = os.getloadavg()[0]
    began, over = fleet.push(_files(name))
    _until(lambda: b'"kind":"campaign-ended"' in fleet.chain(name), fleet)
    times = _times(fleet.chain(name))
    _until(lambda: _idle(fleet), fleet)
    return {
        "load_average": round(load, 1),
        "push_s": round(over - began, 3),
        "campaign_s": round(times["campaign"] - over, 3),
        "first_trial_s": round(times["trial"] - began, 3),
        "first_trial_after_push_s": round(times["trial"] - over, 3),
        "pull_request_s": round(times["open"] - times["verdict"], 3),
    }


def _times(chain: bytes) -> dict[str, float]:
    """Seconds since the epoch of what is measured, by the ledger."""
    found: dict[str, float] = {}
    for record, event in read_events(read_chain(chain)):
        at = datetime.fromisoformat(record.time).timestamp()
        match event:
            case CampaignStarted():
                found["campaign"] = at
            case TrialStarted():
                found.setdefault("trial", at)
            case Judged() if event.verdict.allow:
                found["verdict"] = at
            case PullRequestChanged() if event.state == "opened":
                found["open"] = at
            case _:
                pass
    if found.keys() != {"campaign", "trial", "verdict", "open"}:
        raise RuntimeError(f"the campaign did not open a pull request: {chain[-3000:].decode()}")
    return found


def _files(name: str) -> dict[str, bytes]:
    folder = f"configs/{name}"
    spec = spec_text(instances="{ values: [1] }", trials=2).replace("values: [1, 2, 4]", "values: [1, 8]")
    return {
        f"{folder}/tuning.yaml": spec.replace("name: echo", f"name: {name}").encode(),
        f"{folder}/deployment.yaml": MANIFEST.replace("echo", name).encode(),
        f"{folder}/model/README": b"the simulator needs no model\n",
        f"{folder}/samples/x.npy": sample(),
    }


def _make_fleet(root: Path, gitea: Gitea) -> _Fleet:
    ada, bot = gitea.account("ada"), gitea.account("bot", _SCOPES)
    address = gitea.repository(ada, "fleet", {"bot": "write"})
    project = Project.of(address).path
    work = Repository.clone(address, root / "work.git", access=lambda: Access(ada.name, ada.token))
    ports = (_free_port(), _free_port())
    secret = secrets.token_hex(16)
    for name, text in (("token", bot.token), ("secret", secret)):
        (root / name).write_text(text)
    fleet = _Fleet(root, gitea, ada, work, project, ports)
    (root / "tuner.yaml").write_text(
        _CONFIGURATION.format(
            url=address, token=root / "token", secret=root / "secret", metrics=ports[0], hook=ports[1]
        )
    )
    fleet.push({name: text.encode() for name, text in policies(99).items()})
    _until(lambda: not gitea.call(ada, "GET", f"/repos/{project}")["empty"], fleet)
    hook = {"url": f"http://127.0.0.1:{ports[1]}/webhook", "content_type": "json", "secret": secret}
    gitea.call(ada, "POST", f"/repos/{project}/hooks", {"type": "gitea", "config": hook, "active": True})
    return fleet


@contextmanager
def _watching(fleet: _Fleet) -> Iterator[psutil.Process]:
    """The service, quiet: it has looked at the repository and waits for a webhook."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "TUNER_"))}
    command = [str(Path(sys.executable).with_name("tuner")), "watch", "--config", str(fleet.root / "tuner.yaml")]
    with fleet.log.open("ab") as log:
        process = subprocess.Popen(
            [*command, "--log-level", "info", "--log-format", "json", "--state", str(fleet.root / "state")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=ROOT,
            env={**own, "HOME": str(fleet.root), "GIT_CONFIG_NOSYSTEM": "1"},
        )
    try:
        _until(lambda: _quiet(fleet), fleet)
        yield psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(120)


def _metric(fleet: _Fleet, start: str) -> float:
    try:
        text = requests.get(f"http://127.0.0.1:{fleet.ports[0]}/metrics", timeout=10).text
    except requests.RequestException:
        return -1.0
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(start))


def _quiet(fleet: _Fleet) -> bool:
    looks = sum(_metric(fleet, f'tuner_looks_total{{outcome="{outcome}"}}') for outcome in ("changed", "quiet"))
    return looks >= 1 and _idle(fleet)


def _idle(fleet: _Fleet) -> bool:
    return _metric(fleet, "tuner_campaigns_running{") == 0.0 and _metric(fleet, "tuner_leader") == 1.0


def _rests(service: psutil.Process) -> bool:
    """Whether its processes do nothing: the one that waits for the next campaign has read its libraries."""
    family = [service, *service.children(recursive=True)]
    try:
        before = sum(sum(each.cpu_times()[:2]) for each in family)
        time.sleep(0.5)
        return len(family) > 1 and sum(sum(each.cpu_times()[:2]) for each in family) - before <= 0.03
    except psutil.NoSuchProcess:
        return False


def _until(what: Callable[[], bool], fleet: _Fleet) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not what():
        if time.monotonic() > deadline:
            said = fleet.log.read_text() if fleet.log.is_file() else ""
            raise TimeoutError(f"the service did not get there: {said[-3000:]}")
        time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    for each in figures_of_pushes(measure_pushes(int(sys.argv[1]) if len(sys.argv) > 1 else REPETITIONS)):
        sys.stdout.write(f"{each.id}: {each.value} {each.unit} {each.interval} {each.met}\n")
