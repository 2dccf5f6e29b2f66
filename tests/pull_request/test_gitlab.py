"""GitLab's ways: limits, pages, states that cannot follow themselves, its own notes among people's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.pull_request.conftest import proposal
from tests.pull_request.faults import Fault
from tests.pull_request.gitlab_fake import FakeGitLab, FakeMerge
from tests.pull_request.gitlab_host import GITLAB_TOKEN, fake_gitlab, gitlab_forge
from tests.pull_request.hosting import BRANCH
from tuner.cli.forges import calls_left
from tuner.errors import PermanentError, TemporaryError
from tuner.pull_request.decision import Outcome
from tuner.pull_request.patience import Patience
from tuner.pull_request.proposal import propose
from tuner.pull_request.protocol import Status, StatusState
from tuner.repository.repository import Repository


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeGitLab]:
    with fake_gitlab(tmp_path) as made:
        yield made


@pytest.fixture
def repository(fake: FakeGitLab, tmp_path: Path) -> Repository:
    return Repository.clone(str(tmp_path / "origin.git"), tmp_path / "clone.git", local=True)


def test_retry_after_is_honoured(fake: FakeGitLab) -> None:
    taken: list[float] = []
    fake.limits.faults.append(Fault("GET", "/merge_requests", 429, {"Retry-After": "9"}, "Too many"))
    assert list(gitlab_forge(fake, Patience(sleep=taken.append)).list()) == []
    assert len(taken) == 1
    assert taken[0] >= 9


def test_what_the_server_still_allows_is_known_after_the_first_answer(fake: FakeGitLab) -> None:
    forge = gitlab_forge(fake)
    assert calls_left(forge) == {}
    forge.list()
    assert calls_left(forge) == {"core": 1999}


def test_a_long_wait_is_left_to_the_caller(fake: FakeGitLab) -> None:
    fake.limits.faults.append(Fault("GET", "/merge_requests", 429, {"Retry-After": "900"}, "Too many"))
    with pytest.raises(TemporaryError) as caught:
        gitlab_forge(fake).list()
    assert caught.value.delay == 900


@pytest.mark.parametrize("status", [500, 502, 503])
@pytest.mark.parametrize("done", [False, True], ids=["lost", "carried-out"])
def test_an_opening_whose_answer_was_lost_makes_one(
    fake: FakeGitLab, repository: Repository, status: int, done: bool
) -> None:
    fake.limits.faults.append(Fault("POST", "/merge_requests", status, done=done))
    result = propose(repository, gitlab_forge(fake), proposal(repository))
    assert result.outcome is Outcome.OPENED
    assert len(fake.merges) == 1


def test_an_unchanged_proposal_costs_no_write(fake: FakeGitLab, repository: Repository) -> None:
    forge = gitlab_forge(fake)
    propose(repository, forge, proposal(repository))
    before = fake.limits.writes()
    assert propose(repository, forge, proposal(repository)).outcome is Outcome.UNCHANGED
    assert fake.limits.writes() == before


def test_every_page_of_a_list_is_read(fake: FakeGitLab) -> None:
    for iid in range(1, 231):
        fake.merges[iid] = FakeMerge(iid, f"tuner/{iid}", "main", "t", "", "bot", "0" * 40, "closed")
    assert [pull.number for pull in gitlab_forge(fake).list()] == list(range(1, 231))


def test_only_what_changed_is_read_of_a_long_list(fake: FakeGitLab) -> None:
    long_ago = datetime(2025, 1, 1, tzinfo=UTC)
    fake.changes.clock = lambda: long_ago
    for iid in range(1, 231):
        fake.merges[iid] = FakeMerge(iid, f"tuner/{iid}", "main", "t", "", "bot", "0" * 40, "closed")
        fake.shown(fake.merges[iid])
    fake.changes.clock = lambda: datetime.now(UTC)
    fake.say(7, "ada", "why?")
    fake.merges[3].state = "merged"
    before = len(fake.limits.requests)
    assert [pull.number for pull in gitlab_forge(fake).list(long_ago + timedelta(days=1))] == [3, 7]
    assert len([path for _, path, _ in fake.limits.requests[before:] if path.endswith("/merge_requests")]) == 1


def test_words_that_change_while_the_state_does_not_are_no_error(fake: FakeGitLab, repository: Repository) -> None:
    forge, sha = gitlab_forge(fake), repository.resolve("main")
    for text in ("searching", "confirming"):
        forge.set_status(sha, Status(context="tuner/demo", state=StatusState.PENDING, text=text))
    forge.set_status(sha, Status(context="tuner/demo", state=StatusState.SUCCESS, text="done"))
    assert len(fake.statuses) == 2
    assert forge.status(sha, "tuner/demo") == Status(context="tuner/demo", state=StatusState.SUCCESS, text="done")


def test_who_is_no_member_may_not_write(fake: FakeGitLab) -> None:
    forge = gitlab_forge(fake)
    assert forge.may_write("bob")
    assert not forge.may_write("guest")


def test_a_wrong_token_is_refused_without_being_told(fake: FakeGitLab) -> None:
    fake.tokens.clear()
    with pytest.raises(PermanentError) as caught:
        gitlab_forge(fake).find(BRANCH)
    assert "401" in str(caught.value)
    assert GITLAB_TOKEN not in str(caught.value)
