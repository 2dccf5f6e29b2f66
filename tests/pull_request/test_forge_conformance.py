"""What every forge does, whoever hosts it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.pull_request.conftest import BRANCH, FILES, MANIFEST, Hosted
from tuner.errors import UserError
from tuner.pull_request.protocol import PullRequest, PullRequestState

CHANGED = FILES[MANIFEST].replace("batch: 1", "batch: 8")


def opened(hosted: Hosted, branch: str = BRANCH, text: str = CHANGED) -> PullRequest:
    hosted.commit(branch, {MANIFEST: text})
    return hosted.forge.open(branch=branch, base="main", title="Batch 8", body="Better.\n\n* one\n")


def test_a_new_forge_has_no_pull_requests(hosted: Hosted) -> None:
    assert list(hosted.forge.list()) == []
    assert list(hosted.forge.find(BRANCH)) == []


def test_an_opened_pull_request_is_found_as_it_was_written(hosted: Hosted) -> None:
    head = hosted.commit(BRANCH, {MANIFEST: CHANGED})
    pull = hosted.forge.open(branch=BRANCH, base="main", title="Batch 8", body="Better.\n\n* ünïcode ✓\n")
    assert (pull.state, pull.branch, pull.base, pull.head) == (PullRequestState.OPEN, BRANCH, "main", head)
    assert (pull.title, pull.body.strip()) == ("Batch 8", "Better.\n\n* ünïcode ✓")
    assert pull.number >= 1
    assert pull.url
    assert pull.merge_commit is None
    assert list(hosted.forge.find(BRANCH)) == [pull]
    assert list(hosted.forge.list()) == [pull]


def test_opening_twice_gives_the_one_that_is_open(hosted: Hosted) -> None:
    first = opened(hosted)
    second = hosted.forge.open(branch=BRANCH, base="main", title="Other", body="Other.")
    assert second == first
    assert len(hosted.forge.list()) == 1


def test_several_openers_at_once_get_the_same_pull_request(hosted: Hosted) -> None:
    hosted.commit(BRANCH, {MANIFEST: CHANGED})
    with ThreadPoolExecutor(4) as pool:
        tasks = [pool.submit(hosted.forge.open, branch=BRANCH, base="main", title=f"{n}", body="") for n in range(4)]
        pulls = [task.result() for task in tasks]
    assert len({pull.number for pull in pulls}) == 1
    assert len(hosted.forge.list()) == 1


def test_a_branch_that_is_not_there_or_has_nothing_new_cannot_be_proposed(hosted: Hosted) -> None:
    with pytest.raises(UserError, match="tuner/nowhere"):
        hosted.forge.open(branch="tuner/nowhere", base="main", title="t", body="")
    hosted.repository.push(BRANCH, hosted.repository.resolve("main"), expected=None)
    with pytest.raises(UserError):
        hosted.forge.open(branch=BRANCH, base="main", title="t", body="")
    hosted.commit("tuner/other", {MANIFEST: CHANGED})
    with pytest.raises(UserError, match="elsewhere"):
        hosted.forge.open(branch="tuner/other", base="elsewhere", title="t", body="")
    assert list(hosted.forge.list()) == []


def test_an_open_one_can_be_rewritten_and_follows_its_branch(hosted: Hosted) -> None:
    pull = opened(hosted)
    head = hosted.commit(BRANCH, {MANIFEST: FILES[MANIFEST].replace("batch: 1", "batch: 16")})
    updated = hosted.forge.update(pull.number, title="Batch 16", body="Better still.")
    assert (updated.number, updated.title, updated.body, updated.head) == (
        pull.number,
        "Batch 16",
        "Better still.",
        head,
    )
    assert list(hosted.forge.find(BRANCH)) == [updated]


def test_comments_are_kept_in_order_in_every_state(hosted: Hosted) -> None:
    pull = opened(hosted)
    hosted.forge.comment(pull.number, "first\n\nwith a paragraph")
    hosted.forge.comment(pull.number, "second")
    hosted.forge.decline(pull.number, "no")
    hosted.forge.comment(pull.number, "after all")
    (found,) = hosted.forge.find(BRANCH)
    assert [text.strip() for text in found.comments] == ["first\n\nwith a paragraph", "second", "after all"]


def test_a_merge_brings_the_change_into_the_base_by_a_merge_commit(hosted: Hosted) -> None:
    pull = opened(hosted)
    elsewhere = hosted.commit("main", {"README.md": "hello\n"})
    merged = hosted.forge.merge(pull.number)
    assert merged.state is PullRequestState.MERGED
    assert merged.head == pull.head
    assert hosted.read("main", MANIFEST) == CHANGED
    assert hosted.read("main", "README.md") == "hello\n"
    tip = hosted.repository.commit_at("main")
    assert merged.merge_commit == tip.sha
    assert tip.parents == (elsewhere, pull.head)
    assert hosted.forge.merge(pull.number).merge_commit == tip.sha
    assert hosted.repository.commit_at("main") == tip


def test_changes_of_both_sides_to_one_file_are_merged(hosted: Hosted) -> None:
    pull = opened(hosted)
    hosted.commit("main", {MANIFEST: FILES[MANIFEST].replace("port: 80", "port: 8080")})
    hosted.forge.merge(pull.number)
    assert hosted.read("main", MANIFEST) == CHANGED.replace("port: 80", "port: 8080")


def test_a_conflict_changes_nothing_and_says_what_to_do(hosted: Hosted) -> None:
    pull = opened(hosted)
    tip = hosted.commit("main", {MANIFEST: FILES[MANIFEST].replace("batch: 1", "batch: 2")})
    with pytest.raises(UserError) as caught:
        hosted.forge.merge(pull.number)
    assert "\n" not in str(caught.value)
    assert caught.value.problems[0].fix
    hosted.repository.fetch()
    assert hosted.repository.branch("main") == tip
    assert list(hosted.forge.find(BRANCH)) == [pull]


def test_a_declined_one_keeps_its_reason_and_stays_closed(hosted: Hosted) -> None:
    pull = opened(hosted)
    before = hosted.read("main", MANIFEST)
    declined = hosted.forge.decline(pull.number, "we like 1")
    assert (declined.state, declined.reason) == (PullRequestState.DECLINED, "we like 1")
    assert hosted.forge.decline(pull.number, "other words") == declined
    with pytest.raises(UserError):
        hosted.forge.update(pull.number, title="t", body="b")
    with pytest.raises(UserError):
        hosted.forge.merge(pull.number)
    assert list(hosted.forge.find(BRANCH)) == [declined]
    assert hosted.read("main", MANIFEST) == before


def test_a_merged_one_cannot_be_changed_or_declined(hosted: Hosted) -> None:
    pull = opened(hosted)
    merged = hosted.forge.merge(pull.number)
    with pytest.raises(UserError):
        hosted.forge.update(pull.number, title="t", body="b")
    with pytest.raises(UserError):
        hosted.forge.decline(pull.number, "too late")
    assert list(hosted.forge.find(BRANCH)) == [merged]


def test_after_a_decline_a_new_one_gets_a_new_number_and_the_old_one_stays_as_it_was(hosted: Hosted) -> None:
    first = opened(hosted)
    hosted.forge.decline(first.number, "no")
    hosted.commit(BRANCH, {MANIFEST: FILES[MANIFEST].replace("batch: 1", "batch: 16")})
    second = hosted.forge.open(branch=BRANCH, base="main", title="Again", body="")
    assert second.number > first.number
    found = hosted.forge.find(BRANCH)
    assert [(pull.number, pull.state) for pull in found] == [
        (first.number, PullRequestState.DECLINED),
        (second.number, PullRequestState.OPEN),
    ]
    assert found[0].head == first.head


def test_pull_requests_are_found_by_branch_oldest_first(hosted: Hosted) -> None:
    numbers = [opened(hosted, f"tuner/{name}", f"{name}\n").number for name in ("b", "a", "c")]
    assert numbers == sorted(numbers)
    assert [pull.branch for pull in hosted.forge.list()] == ["tuner/b", "tuner/a", "tuner/c"]
    assert [pull.number for pull in hosted.forge.find("tuner/a")] == [numbers[1]]


@pytest.mark.parametrize("number", [0, 1, -1, 999])
def test_a_number_that_is_not_there_is_a_users_mistake(hosted: Hosted, number: int) -> None:
    for attempt in (
        lambda: hosted.forge.update(number, title="t", body=""),
        lambda: hosted.forge.comment(number, "c"),
        lambda: hosted.forge.merge(number),
        lambda: hosted.forge.decline(number, "r"),
    ):
        with pytest.raises(UserError, match=str(number)):
            attempt()
