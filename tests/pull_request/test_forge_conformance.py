"""What every forge does, whoever hosts it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from tests.pull_request.hosting import BRANCH, FILES, MANIFEST, Hosted
from tuner.errors import TunerError, UserError
from tuner.pull_request.protocol import PullRequest, PullRequestState, Status, StatusState

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
    assert hosted.forge.get(pull.number) == pull
    assert (pull.draft, pull.labels, pull.reviewers) == (False, (), ())


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


def test_comments_are_kept_in_order_in_every_state_with_their_authors(hosted: Hosted) -> None:
    pull = opened(hosted)
    hosted.forge.comment(pull.number, "first\n\nwith a paragraph <!-- a -->", token="<!-- a -->")
    hosted.person.say(pull.number, "second")
    hosted.person.decline(pull.number, "no")
    hosted.forge.comment(pull.number, "after all <!-- b -->", token="<!-- b -->")
    said = [remark for remark in hosted.forge.comments(pull.number) if remark.text.strip() != "no"]
    assert [(remark.text.strip(), remark.ours) for remark in said] == [
        ("first\n\nwith a paragraph <!-- a -->", True),
        ("second", False),
        ("after all <!-- b -->", True),
    ]
    assert said[1].author == hosted.writer
    assert len({remark.id for remark in said}) == 3


def test_a_comment_with_the_same_token_is_replaced_and_a_persons_never(hosted: Hosted) -> None:
    pull = opened(hosted)
    hosted.person.say(pull.number, "I quote <!-- a -->")
    for text in ("one <!-- a -->", "two <!-- a -->", "two <!-- a -->"):
        hosted.forge.comment(pull.number, text, token="<!-- a -->")
    texts = [remark.text for remark in hosted.forge.comments(pull.number)]
    assert texts == ["I quote <!-- a -->", "two <!-- a -->"]
    with pytest.raises(ValueError, match="token"):
        hosted.forge.comment(pull.number, "without", token="<!-- a -->")


def test_who_may_write_is_known_and_nobody_is_nobody(hosted: Hosted) -> None:
    assert hosted.forge.may_write(hosted.writer)
    assert not hosted.forge.may_write("")
    if hosted.reader is not None:
        assert not hosted.forge.may_write(hosted.reader)
        assert not hosted.forge.may_write("no-such-account")


def test_a_draft_is_marked_and_can_become_ready_and_back(hosted: Hosted) -> None:
    hosted.commit(BRANCH, {MANIFEST: CHANGED})
    pull = hosted.forge.open(branch=BRANCH, base="main", title="Batch 8", body="b", draft=True)
    assert (pull.draft, pull.title) == (True, "Batch 8")
    ready = hosted.forge.update(pull.number, title="Batch 8", body="b")
    assert (ready.draft, ready.title) == (False, "Batch 8")
    assert hosted.forge.update(pull.number, title="Batch 8", body="b", draft=True).draft
    assert hosted.forge.get(pull.number) == hosted.forge.find(BRANCH)[0]
    assert hosted.forge.get(pull.number).draft


def test_labels_and_reviewers_are_added_to_those_that_are_there(hosted: Hosted) -> None:
    pull = opened(hosted)
    hosted.forge.present(pull.number, labels=["tuner"], reviewers=[hosted.reviewer, "no-such-account"])
    hosted.forge.present(pull.number, labels=["tuner", "cost"], reviewers=[hosted.reviewer])
    found = hosted.forge.get(pull.number)
    assert found.labels == ("cost", "tuner")
    assert hosted.reviewer in found.reviewers


def test_the_last_status_of_a_context_counts(hosted: Hosted) -> None:
    commit = hosted.repository.resolve("main")
    assert hosted.forge.status(commit, "tuner/demo") is None
    begun = Status(context="tuner/demo", state=StatusState.PENDING, text="measuring", url="https://example.com/1")
    ended = begun.model_copy(update={"state": StatusState.SUCCESS, "text": "ünïcode ✓"})
    other = begun.model_copy(update={"context": "tuner/other", "state": StatusState.FAILURE})
    for status in (begun, other, ended, ended):
        hosted.forge.set_status(commit, status)
    assert hosted.forge.status(commit, "tuner/demo") == ended
    assert hosted.forge.status(commit, "tuner/other") == other


def test_a_merge_brings_the_change_into_the_base_by_a_merge_commit(hosted: Hosted) -> None:
    pull = opened(hosted)
    elsewhere = hosted.commit("main", {"README.md": "hello\n"})
    merged = hosted.person.merge(pull.number)
    assert merged.state is PullRequestState.MERGED
    assert merged.head == pull.head
    assert hosted.read("main", MANIFEST) == CHANGED
    assert hosted.read("main", "README.md") == "hello\n"
    tip = hosted.repository.commit_at("main")
    assert merged.merge_commit == tip.sha
    assert tip.parents == (elsewhere, pull.head)


def test_changes_of_both_sides_to_one_file_are_merged(hosted: Hosted) -> None:
    pull = opened(hosted)
    hosted.commit("main", {MANIFEST: FILES[MANIFEST].replace("port: 80", "port: 8080")})
    hosted.person.merge(pull.number)
    assert hosted.read("main", MANIFEST) == CHANGED.replace("port: 80", "port: 8080")


def test_a_conflict_changes_nothing(hosted: Hosted) -> None:
    pull = opened(hosted)
    tip = hosted.commit("main", {MANIFEST: FILES[MANIFEST].replace("batch: 1", "batch: 2")})
    with pytest.raises(TunerError):
        hosted.person.merge(pull.number)
    hosted.repository.fetch()
    assert hosted.repository.branch("main") == tip
    assert list(hosted.forge.find(BRANCH)) == [pull]


def test_a_declined_one_keeps_its_reason_and_stays_closed(hosted: Hosted) -> None:
    pull = opened(hosted)
    before = hosted.read("main", MANIFEST)
    declined = hosted.person.decline(pull.number, "we like 1")
    assert (declined.state, declined.reason) == (PullRequestState.DECLINED, "we like 1")
    with pytest.raises(UserError):
        hosted.forge.update(pull.number, title="t", body="b")
    assert list(hosted.forge.find(BRANCH)) == [declined]
    assert hosted.read("main", MANIFEST) == before


def test_a_merged_one_cannot_be_changed(hosted: Hosted) -> None:
    pull = opened(hosted)
    merged = hosted.person.merge(pull.number)
    with pytest.raises(UserError):
        hosted.forge.update(pull.number, title="t", body="b")
    assert list(hosted.forge.find(BRANCH)) == [merged]


def test_after_a_decline_a_new_one_gets_a_new_number_and_the_old_one_stays_as_it_was(hosted: Hosted) -> None:
    first = opened(hosted)
    hosted.person.decline(first.number, "no")
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


def test_what_changed_lately_is_listed(hosted: Hosted) -> None:
    kept, gone = (opened(hosted, f"tuner/{name}", f"{name}\n") for name in ("kept", "gone"))
    hosted.person.decline(gone.number, "no")
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    found = hosted.forge.list(an_hour_ago)
    assert [(pull.number, pull.state) for pull in found] == [
        (kept.number, PullRequestState.OPEN),
        (gone.number, PullRequestState.DECLINED),
    ]


@pytest.mark.parametrize("number", [0, 1, -1, 999])
def test_a_number_that_is_not_there_is_a_users_mistake(hosted: Hosted, number: int) -> None:
    for attempt in (
        lambda: hosted.forge.update(number, title="t", body=""),
        lambda: hosted.forge.comment(number, "c", token="c"),
        lambda: hosted.forge.comments(number),
        lambda: hosted.forge.get(number),
        lambda: hosted.forge.present(number, labels=["x"], reviewers=[]),
    ):
        with pytest.raises(UserError, match=str(number)):
            attempt()
