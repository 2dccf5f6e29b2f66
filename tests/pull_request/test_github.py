"""GitHub's ways: limits, lists that lag behind, pages, conditional requests, an App's tokens that end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.pull_request.conftest import proposal
from tests.pull_request.faults import Fault
from tests.pull_request.github_fake import NAME, OWNER, FakeGitHub, FakePull
from tests.pull_request.github_host import TOKEN, fake_github, forge_on
from tests.pull_request.hosting import BRANCH, FILES, MANIFEST
from tuner.errors import PermanentError, TemporaryError, UserError
from tuner.pull_request.command import asked_to_rerun
from tuner.pull_request.decision import Outcome
from tuner.pull_request.github.forge import GitHubForge
from tuner.pull_request.github.hub import GitHubHub
from tuner.pull_request.patience import Patience
from tuner.pull_request.project import Project
from tuner.pull_request.proposal import propose
from tuner.pull_request.protocol import Status, StatusState
from tuner.repository.repository import Repository

PROJECT = f"{OWNER}/{NAME}"


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeGitHub]:
    with fake_github(tmp_path) as made:
        yield made


def push(fake: FakeGitHub, branch: str = BRANCH) -> None:
    changed = FILES[MANIFEST].replace("batch: 1", "batch: 8").encode()
    repository = fake.repository
    main = repository.resolve("main")
    sha = repository.commit(parent=main, changes={MANIFEST: changed}, message="m", date=repository.commit_at(main).date)
    repository.push(branch, sha, expected=None)


def open_one(forge: GitHubForge) -> int:
    return forge.open(branch=BRANCH, base="main", title="t", body="b").number


class Sleeps:
    def __init__(self) -> None:
        self.taken: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


def test_writes_are_far_enough_apart_for_the_secondary_limit(fake: FakeGitHub) -> None:
    push(fake)
    fake.limits.between_writes = 0.99
    hub = GitHubHub.with_token(fake.url, lambda: TOKEN)
    forge = GitHubForge(Project(fake.url, PROJECT), hub, Patience(tries=1))
    number = open_one(forge)
    forge.comment(number, "said <!-- a -->", token="<!-- a -->")
    assert [status for _, _, status in fake.limits.writes()] == [201, 201]


@pytest.mark.parametrize("status", [403, 429])
def test_retry_after_is_honoured(fake: FakeGitHub, status: int) -> None:
    push(fake)
    sleeps = Sleeps()
    message = "You have exceeded a secondary rate limit"
    fake.limits.faults.append(Fault("POST", "/pulls", status, {"Retry-After": "7"}, message))
    open_one(forge_on(fake, Patience(sleep=sleeps)))
    assert len(fake.pulls) == 1
    assert len(sleeps.taken) == 1
    assert sleeps.taken[0] >= 7


def test_a_long_wait_is_left_to_the_caller(fake: FakeGitHub) -> None:
    push(fake)
    sleeps = Sleeps()
    fake.limits.faults.append(Fault("POST", "/pulls", 403, {"Retry-After": "600"}, "secondary rate limit"))
    with pytest.raises(TemporaryError) as caught:
        open_one(forge_on(fake, Patience(sleep=sleeps)))
    assert caught.value.delay == 600
    assert sleeps.taken == []


def test_a_secondary_limit_that_names_no_time_means_a_minute(fake: FakeGitHub) -> None:
    push(fake)
    fake.limits.faults.append(Fault("POST", "/pulls", 403, {}, "You have exceeded a secondary rate limit"))
    with pytest.raises(TemporaryError) as caught:
        open_one(forge_on(fake))
    assert caught.value.delay == 60


def test_the_primary_limit_is_waited_for_until_its_reset(fake: FakeGitHub) -> None:
    forge = forge_on(fake)
    fake.limits.left = 0
    with pytest.raises(TemporaryError) as caught:
        forge.find(BRANCH)
    assert 800 < caught.value.delay <= 900


@pytest.mark.parametrize("done", [False, True], ids=["lost", "carried-out"])
@pytest.mark.parametrize("lag", [0, 3])
def test_an_opening_whose_answer_was_lost_makes_one_pull_request(fake: FakeGitHub, done: bool, lag: int) -> None:
    push(fake)
    fake.limits.lag = lag
    fake.limits.faults.append(Fault("POST", "/pulls", 502, done=done))
    number = open_one(forge_on(fake))
    assert list(fake.pulls) == [number]


def test_what_another_process_opened_is_found_although_no_list_shows_it_yet(fake: FakeGitHub) -> None:
    push(fake)
    fake.limits.lag = 4
    assert open_one(forge_on(fake)) == open_one(forge_on(fake)) == 1


def test_what_was_just_opened_is_found_at_once(fake: FakeGitHub) -> None:
    push(fake)
    fake.limits.lag = 50
    forge = forge_on(fake)
    number = open_one(forge)
    assert [pull.number for pull in forge.find(BRANCH)] == [number]
    assert [pull.number for pull in forge.list()] == [number]


@pytest.mark.parametrize("what", ["comments", "labels", "statuses", "pulls/1"])
def test_no_other_write_is_repeated_where_its_answer_was_lost(fake: FakeGitHub, what: str) -> None:
    push(fake)
    forge = forge_on(fake)
    number = open_one(forge)
    sha = fake.repository.resolve("main")
    for method in ("POST", "PATCH"):
        fake.limits.faults.append(Fault(method, what, 502, done=True))
    forge.comment(number, "said <!-- a -->", token="<!-- a -->")
    forge.present(number, labels=["tuner"], reviewers=[])
    forge.update(number, title="new", body="new")
    forge.set_status(sha, Status(context="c", state=StatusState.SUCCESS, text="t"))
    assert len(forge.comments(number)) == 1
    assert len(fake.statuses) == 1
    assert forge.get(number).labels == ("tuner",)
    assert forge.get(number).title == "new"


def test_every_page_of_a_list_is_read(fake: FakeGitHub) -> None:
    for number in range(1, 251):
        fake.pulls[number] = FakePull(number, f"tuner/{number}", "main", "t", None, "bot", False, "0" * 40, "closed")
    assert [pull.number for pull in forge_on(fake).list()] == list(range(1, 251))


def test_only_what_changed_is_read_of_a_long_list(fake: FakeGitHub) -> None:
    long_ago = datetime(2025, 1, 1, tzinfo=UTC)
    fake.changes.clock = lambda: long_ago
    for number in range(1, 251):
        pull = FakePull(number, f"tuner/{number}", "main", "t", None, "bot", False, "0" * 40, "closed")
        fake.pulls[number] = pull
        fake.shown(pull)
    fake.changes.clock = lambda: datetime.now(UTC)
    fake.say(7, "ada", "why?")
    fake.pulls[3].state = "merged"
    before = len(fake.limits.requests)
    assert [pull.number for pull in forge_on(fake).list(long_ago + timedelta(days=1))] == [3, 7]
    assert len([path for _, path, _ in fake.limits.requests[before:] if "/pulls?" in path]) == 1


def test_a_pull_request_that_has_not_changed_costs_nothing_to_look_at(fake: FakeGitHub) -> None:
    push(fake)
    forge = forge_on(fake)
    number = open_one(forge)
    forge.get(number)
    left = fake.limits.left
    shown = forge.get(number)
    assert fake.limits.left == left
    assert fake.limits.requests[-1][2] == 304
    fake.pulls[number].title = "by a person"
    assert forge.get(number).title == "by a person" != shown.title


def test_an_unchanged_proposal_costs_no_write(fake: FakeGitHub, tmp_path: Path) -> None:
    repository = Repository.clone(str(tmp_path / "origin.git"), tmp_path / "clone.git", local=True)
    forge = forge_on(fake)
    assert propose(repository, forge, proposal(repository)).outcome is Outcome.OPENED
    before = fake.limits.writes()
    assert propose(repository, forge, proposal(repository)).outcome is Outcome.UNCHANGED
    assert fake.limits.writes() == before


def test_a_wrong_token_is_refused_without_being_told(fake: FakeGitHub) -> None:
    fake.tokens.clear()
    with pytest.raises(PermanentError) as caught:
        forge_on(fake).find(BRANCH)
    assert "401" in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_a_server_that_is_not_there_is_waited_for(fake: FakeGitHub) -> None:
    hub = GitHubHub.with_token("http://127.0.0.1:9", lambda: TOKEN)
    with pytest.raises(TemporaryError):
        GitHubForge(Project("", PROJECT), hub, Patience(tries=2, sleep=lambda _: None)).find(BRANCH)


def app_key() -> tuple[str, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def test_an_app_mints_its_tokens_just_before_use(fake: FakeGitHub) -> None:
    private, fake.app_key = app_key()
    hub = GitHubHub.as_app(fake.url, "12345", private, 77, between_writes=0.0)
    assert fake.minted == []
    forge = GitHubForge(Project(fake.url, PROJECT), hub)
    push(fake)
    number = open_one(forge)
    assert forge.get(number).author == "tuner-app[bot]"
    forge.comment(number, "x <!-- a -->", token="<!-- a -->")
    assert forge.comments(number)[0].ours
    assert len(fake.minted) == 1
    assert hub.token() == fake.minted[0]


def test_an_apps_token_that_is_about_to_end_is_not_used(fake: FakeGitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    private, fake.app_key = app_key()
    hub = GitHubHub.as_app(fake.url, "12345", private, 77, between_writes=0.0)
    first = hub.token()
    monkeypatch.setattr("tests.pull_request.github_fake.LIFE", 1.0)
    short = GitHubHub.as_app(fake.url, "12345", private, 77, between_writes=0.0)
    assert len({first, short.token(), short.token()}) == 3
    assert first.startswith("ghs_")


def test_a_key_that_is_none_is_a_users_mistake() -> None:
    with pytest.raises(UserError, match="private key"):
        GitHubHub.as_app("https://api.example.com", "1", "not a key", 2)


def test_a_request_to_rerun_counts_from_writers_alone(fake: FakeGitHub) -> None:
    push(fake)
    forge = forge_on(fake)
    number = open_one(forge)
    for author in ("eve", "stranger", "bob"):
        fake.say(number, author, "/tuner rerun")
    assert [remark.author for remark in asked_to_rerun(forge, number)] == ["bob"]
