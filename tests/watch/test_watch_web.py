"""The service's web servers over real connections: who is believed, and what a client cannot do."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.watch.conftest import configuration
from tuner.errors import PermanentError
from tuner.watch.bell import Bell
from tuner.watch.limit import RateLimit
from tuner.watch.metrics import Metrics
from tuner.watch.server import MOST_BODY, WebServer
from tuner.watch.web import monitoring, webhooks
from tuner.watch.webhook import MalformedError, concerned, is_genuine

SECRET = b"a shared secret"
CHOICE = configuration(
    "name: one, url: https://git.example.com/vision/serving.git, branch: main",
    "name: two, url: 'ssh://git@git.example.com/audio/serving.git'",
    "name: three, url: /srv/local, forge: ours, project: team/local",
    forges="{ours: {kind: gitea}}",
)


def push(url: str = "https://git.example.com/vision/serving.git", **more: object) -> bytes:
    return json.dumps({"ref": "refs/heads/main", "repository": {"clone_url": url}, **more}).encode()


def signed(body: bytes, header: str = "X-Hub-Signature-256", secret: bytes = SECRET) -> dict[str, str]:
    digest = hmac.new(secret, body, hashlib.sha256).hexdigest()
    if header == "X-Gitlab-Token":
        return {header: secret.decode()}
    return {header: f"sha256={digest}" if header == "X-Hub-Signature-256" else digest}


@dataclass
class Client:
    port: int
    bell: Bell
    metrics: Metrics

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> int:
        return self.answer(method, path, body, headers)[0]

    def answer(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def count(self, outcome: str) -> float:
        return self.metrics.registry.get_sample_value("tuner_webhooks_total", {"outcome": outcome}) or 0.0


@pytest.fixture
def hooks() -> Iterator[Client]:
    bell, metrics = Bell(), Metrics()
    application = webhooks(CHOICE.repositories, SECRET, RateLimit(100), bell, metrics)
    with WebServer(application, "127.0.0.1:0", name="hooks", patience=1) as server:
        yield Client(server.port, bell, metrics)


@pytest.mark.parametrize("header", ["X-Hub-Signature-256", "X-Gitea-Signature", "X-Gitlab-Token"])
def test_a_forge_that_knows_the_secret_wakes_the_service(hooks: Client, header: str) -> None:
    assert hooks.ask("POST", "/webhook", push(), signed(push(), header)) == 202
    assert hooks.bell.wait(0) == {"one"}
    assert hooks.count("accepted") == 1


@pytest.mark.parametrize("header", ["X-Hub-Signature-256", "X-Gitea-Signature", "X-Gitlab-Token"])
def test_whoever_does_not_is_not_believed(hooks: Client, header: str) -> None:
    assert hooks.ask("POST", "/webhook", push(), signed(push(), header, b"another secret")) == 401
    assert hooks.ask("POST", "/webhook", push()) == 401
    assert hooks.bell.wait(0) == frozenset()
    assert hooks.count("unsigned") == 2


def test_a_signature_of_another_body_is_none(hooks: Client) -> None:
    assert hooks.ask("POST", "/webhook", push(ref="refs/heads/x"), signed(push())) == 401


def test_an_unknown_repository_is_answered_as_a_known_one(hooks: Client) -> None:
    body = push("https://git.example.com/someone/else.git")
    assert hooks.ask("POST", "/webhook", body, signed(body)) == 202
    assert hooks.bell.wait(0) == frozenset()


def test_what_is_no_push_to_this_place_is_refused(hooks: Client) -> None:
    assert hooks.ask("GET", "/webhook") == 405
    assert hooks.ask("POST", "/elsewhere", b"") == 404
    assert hooks.ask("POST", "/webhook", b"[1]", signed(b"[1]")) == 400
    deep = b"[" * 200_000
    assert hooks.ask("POST", "/webhook", deep, signed(deep)) == 400


def test_a_body_that_is_too_large_is_not_read(hooks: Client) -> None:
    with socket.create_connection(("127.0.0.1", hooks.port), timeout=10) as raw:
        raw.sendall(b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (MOST_BODY + 1))
        assert b" 413 " in raw.recv(64)


def test_headers_without_an_end_are_not_read(hooks: Client) -> None:
    with socket.create_connection(("127.0.0.1", hooks.port), timeout=10) as raw:
        raw.sendall(b"POST /webhook HTTP/1.1\r\n" + b"X-A: b\r\n" * 10_000)
        assert b" 431 " in raw.recv(64)


def test_a_client_that_drips_is_cut_off_and_does_not_keep_others_waiting(hooks: Client) -> None:
    with socket.create_connection(("127.0.0.1", hooks.port), timeout=20) as raw:
        raw.sendall(b"POST /webhook HTTP/1.1\r\nHost: x\r\n")
        raw.settimeout(0.2)
        deadline = time.monotonic() + 20
        closed = False
        while not closed and time.monotonic() < deadline:
            try:
                raw.sendall(b"X-Slow: 1\r\n")
                closed = raw.recv(1) == b""
            except TimeoutError:
                assert hooks.ask("POST", "/webhook", push(), signed(push())) == 202
            except OSError:
                closed = True
        assert closed


def test_one_sender_cannot_ask_without_end() -> None:
    bell, metrics = Bell(), Metrics()
    application = webhooks(CHOICE.repositories, SECRET, RateLimit(0.001), bell, metrics)
    with WebServer(application, "127.0.0.1:0", name="hooks") as server:
        client = Client(server.port, bell, metrics)
        assert client.ask("POST", "/webhook", push(), signed(push())) == 202
        assert client.ask("POST", "/webhook", push(), signed(push())) == 429
        assert client.count("limited") == 1


def test_a_limit_is_for_each_sender_and_grows_back() -> None:
    now = [0.0]
    limit = RateLimit(1.0, clock=lambda: now[0])
    assert [limit.allows("a") for _ in range(3)] == [True, True, False]
    assert limit.allows("b")
    now[0] = 1.0
    assert [limit.allows("a") for _ in range(2)] == [True, False]


@pytest.mark.parametrize(
    ("payload", "names"),
    [
        ({"ref": "refs/heads/main", "repository": {"ssh_url": "git@git.example.com:vision/serving.git"}}, ("one",)),
        ({"ref": "refs/heads/main", "repository": {"html_url": "https://GIT.example.com/Vision/Serving"}}, ("one",)),
        ({"ref": "refs/heads/topic", "repository": {"clone_url": "https://git.example.com/vision/serving.git"}}, ()),
        ({"action": "closed", "repository": {"clone_url": "https://git.example.com/vision/serving.git"}}, ("one",)),
        ({"ref": "refs/heads/any", "project": {"git_http_url": "https://git.example.com/audio/serving.git"}}, ("two",)),
        ({"repository": {"full_name": "Team/Local"}}, ("three",)),
        ({"project": {"path_with_namespace": "team/local"}}, ("three",)),
        ({"repository": {"full_name": ""}}, ()),
        ({"repository": "text", "project": 7}, ()),
        ({}, ()),
    ],
)
def test_whose_webhook_it_is(payload: object, names: tuple[str, ...]) -> None:
    assert concerned(json.dumps(payload).encode(), CHOICE.repositories) == names


@settings(deadline=None)
@given(st.binary(max_size=300), st.dictionaries(st.sampled_from(["x-hub-signature-256", "x-gitlab-token"]), st.text()))
def test_nothing_that_is_sent_breaks_anything(body: bytes, headers: dict[str, str]) -> None:
    assert not is_genuine(headers, body, SECRET)
    with suppress(MalformedError):
        assert concerned(body, CHOICE.repositories) == ()


@settings(deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_no_json_breaks_anything(value: object) -> None:
    for document in (value, {"repository": value}, {"project": value, "ref": value}):
        try:
            concerned(json.dumps(document).encode(), CHOICE.repositories)
        except MalformedError:
            assert not isinstance(document, dict)


def test_health_readiness_and_metrics() -> None:
    wrong: dict[str, str] = {}
    ready = [False]
    metrics = Metrics()
    with WebServer(monitoring(metrics, lambda: wrong, lambda: ready[0]), "127.0.0.1:0", name="metrics") as server:
        client = Client(server.port, Bell(), metrics)
        assert client.ask("GET", "/healthz") == 200
        assert client.ask("GET", "/readyz") == 503
        ready[0] = True
        assert client.ask("GET", "/readyz") == 200
        wrong["loop"] = "no turn for over 60 s"
        status, body = client.answer("GET", "/healthz")
        assert (status, json.loads(body)["wrong"]) == (503, wrong)
        status, body = client.answer("GET", "/metrics")
        assert status == 200
        assert b"tuner_leader 0.0" in body
        assert client.ask("POST", "/metrics", b"") == 405
        assert client.ask("GET", "/") == 404


def test_an_address_that_is_taken_is_told() -> None:
    application = monitoring(Metrics(), dict, lambda: True)
    with (
        WebServer(application, "127.0.0.1:0", name="a") as server,
        pytest.raises(PermanentError, match="cannot listen"),
    ):
        WebServer(application, f"127.0.0.1:{server.port}", name="b")
