"""Where a crash campaign happens: a repository of its own on a real Gitea, and the configuration of a service."""

from __future__ import annotations

import itertools
import os
import sqlite3
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testbed.gitea import Gitea
from tests.campaign.service import Service, git_environment, make_service
from tests.campaign.test_campaign import policies
from tests.pull_request.gitea_host import Town

__all__ = ["LEASE", "Place", "make_place"]

LEASE = 2.0
"""Seconds after which a killed service's successor works."""
_COUNT = itertools.count(1)
_CONFIGURATION = """\
apiVersion: tuner/v1alpha1
kind: WatchConfiguration
repositories:
  - {{ name: echo, url: {url}, forge: town }}
forges:
  town: {{ kind: gitea, token: {{ file: {token} }} }}
polling: {{ interval: 500ms, jitter: 10% }}
metrics: 127.0.0.1:0
leader: {{ lease: {lease:g}s }}
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A campaign of the queue."""

    state: str
    result: str
    reason: str
    attempts: int


@dataclass(frozen=True)
class Place:
    """A small real service on a forge, and what watches it."""

    town: Town
    service: Service
    project: str
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def gitea(self) -> Gitea:
        return self.town.gitea

    @property
    def root(self) -> Path:
        return self.service.root

    @property
    def config(self) -> Path:
        return self.root / "tuner.yaml"

    @property
    def database(self) -> Path:
        return self.service.state / "watch" / "state.db"

    @property
    def address(self) -> str:
        """Of the repository on the forge itself, whatever lies between it and tuner."""
        return f"{self.gitea.url}/{self.project}.git"

    def get(self, path: str) -> Any:
        """What the forge answers the repository's owner."""
        return self.gitea.call(self.town.ada, "GET", f"/repos/{self.project}{path}")

    def rows(self) -> list[Row]:
        """The queue; empty while there is no database."""
        if not self.database.exists():
            return []
        wanted = "SELECT state, coalesce(result, ''), coalesce(reason, ''), attempts FROM watch_campaigns ORDER BY id"
        try:
            return [Row(*row) for row in self._query(wanted)]
        except sqlite3.OperationalError:  # it is being made
            return []

    def hasten(self) -> int:
        """A campaign that waits after an outage waits no longer, so that no kill costs a minute; how many."""
        if not self.database.exists():
            return 0
        try:
            return self._change("UPDATE watch_campaigns SET not_before = 0 WHERE state = 'queued' AND not_before > 0")
        except sqlite3.OperationalError:
            return 0

    def _query(self, text: str) -> list[Any]:
        connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=10)
        try:
            return connection.execute(text).fetchall()
        finally:
            connection.close()

    def _change(self, text: str) -> int:
        connection = sqlite3.connect(self.database, timeout=10)
        try:
            with connection:
                return connection.execute(text).rowcount
        finally:
            connection.close()

    def git(self, *arguments: str) -> str:
        """Git as the repository's owner."""
        token = {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: token {self.town.ada.token}",
        }
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.root,
            env={**git_environment(), **token},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        return done.stdout


def make_place(town: Town, root: Path, *, url: str | None = None, lease: float = LEASE, **spec: Any) -> Place:
    """A repository with one committed spec, and a service's configuration; ``url`` is where tuner finds the forge."""
    service = make_service(root, policies(99), **{"instances": "{ values: [1] }", "trials": 2, **spec})
    name = f"echo-{os.getpid()}-{next(_COUNT)}"
    town.gitea.repository(town.ada, name, {town.bot.name: "write"})
    place = Place(town, service, f"{town.ada.name}/{name}")
    place.git("-C", str(service.repository), "push", "--quiet", place.address, "main")
    deadline = time.monotonic() + 60
    while place.get("")["empty"]:  # noted by Gitea after it has answered the push
        if time.monotonic() > deadline:
            raise TimeoutError("the repository stays empty")
        time.sleep(0.05)
    secret = root / "token"
    secret.write_text(town.bot.token)
    secret.chmod(0o600)
    address = f"{url or town.gitea.url}/{place.project}.git"
    place.config.write_text(_CONFIGURATION.format(url=address, token=secret, lease=lease))
    return place
