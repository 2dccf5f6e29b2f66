"""Leases: one suite for every place that keeps them, and the agreement on top of it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from tuner.errors import PermanentError, TemporaryError
from tuner.experience.database import sqlite_url
from tuner.watch.database import Database, FencedError
from tuner.watch.database_lease import DatabaseLease
from tuner.watch.kubernetes_lease import KubernetesLease
from tuner.watch.lease import Election, LeaseRecord, LeaseStore

RECORD = LeaseRecord("a", 1, 1, 15.0)


@dataclass
class Cluster:
    """The part of a Kubernetes API server that keeps leases, with its resource versions."""

    objects: dict[str, Any] = field(default_factory=dict)
    version: int = 0
    answer: int | None = None
    """A status that every call gets, whatever it asks."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def call(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if self.answer is not None:
            return self.answer, {"kind": "Status", "code": self.answer}
        match = re.fullmatch(r"/apis/coordination\.k8s\.io/v1/namespaces/ops/leases(?:/(\w+))?", path)
        if match is None:
            return 404, {}
        with self.lock:
            if method == "GET":
                found = self.objects.get(match[1])
                return (200, found) if found else (404, {})
            name = body["metadata"]["name"]
            there = self.objects.get(name)
            given = body["metadata"].get("resourceVersion")
            if method == "POST" and there is not None:
                return 409, {"reason": "AlreadyExists"}
            if method == "PUT" and (there is None or given != there["metadata"]["resourceVersion"]):
                return 409, {"reason": "Conflict"}
            self.version += 1
            body["metadata"]["resourceVersion"] = str(self.version)
            self.objects[name] = body
            return (201 if method == "POST" else 200), body


@pytest.fixture
def cluster() -> Iterator[tuple[Cluster, str]]:
    state = Cluster()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            status, answer = state.call(self.command, self.path, json.loads(self.rfile.read(length) or b"null"))
            raw = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_POST = do_PUT = do_GET  # noqa: N815 - the library's names

        def log_message(self, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield state, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def kubernetes_lease(url: str) -> KubernetesLease:
    settings = client.Configuration()
    settings.host = url
    settings.retries = 0
    return KubernetesLease(client.ApiClient(settings), "ops", "tuner")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real), "kubernetes"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[LeaseStore, LeaseStore]]:
    """The same lease as two replicas see it."""
    if request.param == "kubernetes":
        url = request.getfixturevalue("cluster")[1]
        yield kubernetes_lease(url), kubernetes_lease(url)
        return
    postgres = request.param == "postgresql"
    address = request.getfixturevalue("fresh_postgres") if postgres else sqlite_url(tmp_path / "state.db")
    left, right = Database.open(address), Database.open(address)
    yield DatabaseLease(left, "tuner"), DatabaseLease(right, "tuner")
    left.close()
    right.close()


Stores = tuple[LeaseStore, LeaseStore]


def test_there_is_no_lease_before_the_first(stores: Stores) -> None:
    assert stores[0].read() is None


def test_what_was_swapped_in_is_read_by_the_other(stores: Stores) -> None:
    left, right = stores
    assert left.swap(None, RECORD)
    assert right.read() == RECORD
    newer = replace(RECORD, holder="b", fence=2, beat=9)
    assert right.swap(RECORD, newer)
    assert left.read() == newer


def test_the_first_lease_is_made_once(stores: Stores) -> None:
    left, right = stores
    assert left.swap(None, RECORD)
    assert not right.swap(None, replace(RECORD, holder="b"))
    assert left.read() == RECORD


def test_a_swap_of_what_is_not_there_any_more_changes_nothing(stores: Stores) -> None:
    left, right = stores
    left.swap(None, RECORD)
    assert left.read() == right.read() == RECORD
    renewed = replace(RECORD, beat=2)
    assert left.swap(RECORD, renewed)
    assert not right.swap(RECORD, replace(RECORD, holder="b", fence=2))
    assert right.read() == renewed


def test_of_two_replicas_one_leads_until_it_is_silent_for_the_lease(stores: Stores) -> None:
    now = [0.0]
    left = Election(stores[0], "a", 15.0, clock=lambda: now[0])
    right = Election(stores[1], "b", 15.0, clock=lambda: now[0])
    first = left.stand()
    assert first is not None
    assert first.until == 15.0
    assert right.stand() is None
    now[0] = 14.0
    assert left.stand() is not None
    assert right.stand() is None
    now[0] = 28.9
    assert right.stand() is None
    now[0] = 29.0
    second = right.stand()
    assert second is not None
    assert second.fence == first.fence + 1
    assert left.stand() is None


def test_who_resigns_is_followed_at_once(stores: Stores) -> None:
    left, right = Election(stores[0], "a", 15.0), Election(stores[1], "b", 15.0)
    assert left.stand() is not None
    assert right.stand() is None
    left.resign()
    assert right.stand() is not None
    left.resign()
    assert right.stand() is not None


def test_the_cluster_says_no(cluster: tuple[Cluster, str]) -> None:
    state, url = cluster
    state.answer = 403
    with pytest.raises(PermanentError, match="allow get, create and update"):
        kubernetes_lease(url).read()
    state.answer = 503
    with pytest.raises(TemporaryError, match="503"):
        kubernetes_lease(url).read()


def test_a_cluster_that_is_away_is_an_outage() -> None:
    with pytest.raises(TemporaryError, match="does not answer"):
        kubernetes_lease("http://127.0.0.1:9").read()


def test_who_led_earlier_cannot_write_any_more(tmp_path: Path) -> None:
    database = Database.open(sqlite_url(tmp_path / "state.db"))
    with database.lead("tuner", 3):
        pass
    with database.lead("tuner", 4):
        pass
    with pytest.raises(FencedError), database.lead("tuner", 3):
        pytest.fail("it wrote")
    with database.lead("another", 1):
        pass
    database.close()
