"""One change, one pull request; a person's decision stands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pull_request.conftest import proposal
from tests.pull_request.hosting import BRANCH, FILES, MANIFEST, SPEC, Hosted, plain_git
from tuner.errors import UserError
from tuner.pull_request.decision import Outcome
from tuner.pull_request.effect import Effect
from tuner.pull_request.marker import Marker
from tuner.pull_request.proposal import Proposed, branch_name, change_digest, propose
from tuner.pull_request.protocol import PullRequestState
from tuner.repository.commit import TUNER


def proposed(hosted: Hosted, **fields: object) -> Proposed:
    return propose(hosted.repository, hosted.forge, proposal(hosted.repository, **fields))  # type: ignore[arg-type]


def refs(hosted: Hosted) -> dict[str, str]:
    hosted.repository.fetch()
    return dict(hosted.repository.refs())


def test_a_first_proposal_opens_a_pull_request_with_the_files_and_the_trailers(hosted: Hosted) -> None:
    result = proposed(hosted)
    assert result.outcome is Outcome.OPENED
    assert result.reason
    assert result.pull is not None
    assert result.pull.head == result.commit
    assert hosted.repository.changed_paths("main", result.commit) == ("audit/demo/c1.jsonl", MANIFEST)
    assert "batch: 8" in hosted.read(BRANCH, MANIFEST)
    commit = hosted.repository.commit_at(result.commit)
    assert commit.committer == TUNER
    assert commit.trailers["Tuner-Campaign"] == "c1"
    assert commit.trailers["Tuner-Spec"] == SPEC
    assert commit.trailers["Tuner-Audit-Head"] == "sha256:00"
    marker = Marker.find(result.pull.body)
    assert marker is not None
    assert marker.change == commit.trailers["Tuner-Change"]
    assert marker.fingerprint == commit.trailers["Tuner-Fingerprint"]


def test_the_same_proposal_again_writes_nothing(hosted: Hosted) -> None:
    first = proposed(hosted)
    before = refs(hosted)
    second = proposed(hosted)
    assert second.outcome is Outcome.UNCHANGED
    assert second.pull == first.pull
    assert refs(hosted) == before


def test_new_evidence_or_new_settings_update_the_open_one(bare: Hosted) -> None:
    first = proposed(bare)
    for fields in ({"campaign": "c2"}, {"campaign": "c3", "batch": 16}):
        result = proposed(bare, **fields)
        assert result.outcome is Outcome.UPDATED
        assert result.pull is not None
        assert first.pull is not None
        assert result.pull.number == first.pull.number
        assert result.pull.head == result.commit
    assert "batch: 16" in bare.read(BRANCH, MANIFEST)
    assert len(bare.forge.list()) == 1


def test_what_was_declined_is_not_proposed_again_but_another_change_is(hosted: Hosted) -> None:
    first = proposed(hosted)
    assert first.pull is not None
    hosted.person.decline(first.pull.number, "too risky")
    before = refs(hosted)
    again = proposed(hosted, campaign="c2", evidence="other figures\n")
    assert again.outcome is Outcome.DECLINED_BEFORE
    assert "too risky" in again.reason
    assert again.pull is not None
    assert again.pull.number == first.pull.number
    assert refs(hosted) == before
    other = proposed(hosted, batch=16, campaign="c3")
    assert other.outcome is Outcome.OPENED
    assert proposed(hosted, campaign="c4").outcome is Outcome.DECLINED_BEFORE
    assert [pull.state for pull in hosted.forge.list()] == [PullRequestState.DECLINED, PullRequestState.OPEN]


def test_a_decline_is_remembered_even_where_a_person_emptied_the_body(bare: Hosted) -> None:
    first = proposed(bare)
    assert first.pull is not None
    bare.forge.update(first.pull.number, title="mine", body="")
    bare.person.decline(first.pull.number, "no")
    assert proposed(bare, campaign="c2").outcome is Outcome.DECLINED_BEFORE


def test_a_merged_change_is_done_even_if_it_was_reverted_since(bare: Hosted) -> None:
    first = proposed(bare)
    assert first.pull is not None
    bare.person.merge(first.pull.number)
    assert proposed(bare, campaign="c2").outcome is Outcome.MERGED_ALREADY
    bare.commit("main", {MANIFEST: FILES[MANIFEST]})
    assert proposed(bare, campaign="c3").outcome is Outcome.MERGED_ALREADY
    assert len(bare.forge.list()) == 1


def test_the_next_change_after_a_merge_gets_its_own_pull_request(hosted: Hosted) -> None:
    first = proposed(hosted)
    assert first.pull is not None
    hosted.person.merge(first.pull.number)
    hosted.repository.fetch()
    second = proposed(hosted, batch=16, campaign="c2")
    assert second.outcome is Outcome.OPENED
    assert second.pull is not None
    assert second.pull.number > first.pull.number
    hosted.person.merge(second.pull.number)
    assert "batch: 16" in hosted.read("main", MANIFEST)


def test_what_the_base_has_already_is_not_proposed_whatever_the_evidence(bare: Hosted) -> None:
    before = refs(bare)
    result = proposed(bare, batch=1)
    assert result.outcome is Outcome.EMPTY_DIFF
    assert result.pull is None
    assert refs(bare) == before


def test_an_open_one_is_left_alone_when_the_base_got_the_change_by_other_means(bare: Hosted) -> None:
    proposed(bare)
    bare.commit("main", {MANIFEST: FILES[MANIFEST].replace("batch: 1", "batch: 8")})
    assert proposed(bare, campaign="c2").outcome is Outcome.EMPTY_DIFF


def test_a_persons_commit_stops_tuner_which_says_so_once(hosted: Hosted) -> None:
    first = proposed(hosted)
    theirs = hosted.commit(BRANCH, {MANIFEST: "mine\n"})
    for _ in range(2):
        result = proposed(hosted, batch=16, campaign="c2")
        assert result.outcome is Outcome.HUMAN_TOOK_OVER
        assert theirs[:12] in result.reason
        assert result.pull is not None
        assert first.pull is not None
        assert result.pull.number == first.pull.number
        assert len(hosted.forge.comments(result.pull.number)) == 1
        assert hosted.repository.branch(BRANCH) == theirs


def test_a_persons_amended_commit_is_the_persons(bare: Hosted) -> None:
    first = proposed(bare)
    ours = bare.repository.commit_at(first.commit)
    amended = bare.repository.commit(
        parent=ours.parents[0],
        changes={MANIFEST: b"amended\n"},
        message=ours.message,
        date=ours.date,
        committer=proposal(bare.repository).author.model_copy(update={"name": "Ada", "email": "ada@example.com"}),
    )
    bare.repository.push(BRANCH, amended, expected=first.commit)
    assert proposed(bare, campaign="c2").outcome is Outcome.HUMAN_TOOK_OVER
    assert bare.repository.branch(BRANCH) == amended


def test_a_branch_that_a_person_made_under_that_name_is_not_overwritten(bare: Hosted) -> None:
    theirs = bare.commit(BRANCH, {"notes.md": "mine\n"})
    result = proposed(bare)
    assert result.outcome is Outcome.HUMAN_TOOK_OVER
    assert result.pull is None
    assert bare.repository.branch(BRANCH) == theirs
    assert list(bare.forge.list()) == []


def test_a_persons_commits_that_were_merged_do_not_stop_the_next_proposal(bare: Hosted) -> None:
    first = proposed(bare)
    bare.commit(BRANCH, {"notes.md": "mine\n"})
    assert first.pull is not None
    bare.person.merge(first.pull.number)
    bare.repository.fetch()
    assert proposed(bare, batch=16, campaign="c2").outcome is Outcome.OPENED
    assert bare.read("main", "notes.md") == "mine\n"


def test_another_base_is_refused_while_one_is_open(bare: Hosted) -> None:
    proposed(bare)
    bare.repository.push("release", bare.repository.resolve("main"), expected=None)
    other = replace(proposal(bare.repository, campaign="c2"), base="release")
    with pytest.raises(UserError, match="release"):
        propose(bare.repository, bare.forge, other)


def test_a_base_that_does_not_exist_is_a_users_mistake(bare: Hosted) -> None:
    with pytest.raises(UserError, match="nowhere"):
        propose(bare.repository, bare.forge, replace(proposal(bare.repository), base="nowhere"))


class KilledError(Exception):
    """Stands for the end of the process: nothing after it runs."""


@pytest.mark.parametrize("after", [False, True], ids=["before-effect", "after-effect"])
@pytest.mark.parametrize("kind", ["push", "open"])
def test_cut_off_at_an_effect_a_rerun_gives_exactly_one_pull_request(bare: Hosted, kind: str, after: bool) -> None:
    @contextmanager
    def cut(effect: Effect) -> Iterator[None]:
        if effect.kind == kind and not after:
            raise KilledError
        yield
        if effect.kind == kind:
            raise KilledError

    with pytest.raises(KilledError):
        propose(bare.repository, bare.forge, proposal(bare.repository), around=cut)
    result = proposed(bare)
    assert result.outcome in (Outcome.OPENED, Outcome.UNCHANGED)
    (pull,) = bare.forge.list()
    assert pull.head == result.commit == bare.repository.branch(BRANCH)
    assert proposed(bare).outcome is Outcome.UNCHANGED


def test_cut_off_between_push_and_update_the_body_follows_the_branch(bare: Hosted) -> None:
    proposed(bare)

    @contextmanager
    def cut(effect: Effect) -> Iterator[None]:
        yield
        raise KilledError

    with pytest.raises(KilledError):
        propose(bare.repository, bare.forge, proposal(bare.repository, batch=16, campaign="c2"), around=cut)
    back = proposed(bare)
    assert back.outcome is Outcome.UPDATED, "the body still spoke of this change, but the branch did not have it"
    assert "batch: 8" in bare.read(BRANCH, MANIFEST)
    again = proposed(bare, batch=16, campaign="c2")
    assert again.outcome is Outcome.UPDATED
    assert again.pull is not None
    marker = Marker.find(again.pull.body)
    assert marker is not None
    assert marker.campaign == "c2"


def test_effects_are_announced_in_order_and_only_when_there_are_some(bare: Hosted) -> None:
    seen: list[str] = []

    @contextmanager
    def note(effect: Effect) -> Iterator[None]:
        seen.append(f"{effect.kind} intended")
        yield
        seen.append(f"{effect.kind} done")

    propose(bare.repository, bare.forge, proposal(bare.repository), around=note)
    assert seen == ["push intended", "push done", "open intended", "open done"]
    seen.clear()
    propose(bare.repository, bare.forge, proposal(bare.repository), around=note)
    assert seen == []


def test_deleting_the_branch_is_a_decline_that_later_commits_do_not_undo(bare: Hosted) -> None:
    first = proposed(bare)
    plain_git(bare.repository.folder, "update-ref", "-d", f"refs/heads/{BRANCH}")
    assert proposed(bare, campaign="c2").outcome is Outcome.DECLINED_BEFORE
    assert proposed(bare, batch=16, campaign="c3").outcome is Outcome.OPENED
    assert [pull.state for pull in bare.forge.find(BRANCH)] == [PullRequestState.DECLINED, PullRequestState.OPEN]
    assert first.pull is not None
    assert bare.forge.find(BRANCH)[0].head == first.commit


def test_a_merge_by_plain_git_counts(bare: Hosted) -> None:
    first = proposed(bare)
    plain_git(bare.repository.folder, "update-ref", "refs/heads/main", first.commit)
    assert proposed(bare, campaign="c2").outcome is Outcome.MERGED_ALREADY


def test_a_squash_by_plain_git_counts_once_the_branch_is_deleted(bare: Hosted) -> None:
    first = proposed(bare)
    squashed = {MANIFEST: bare.read(BRANCH, MANIFEST), "audit/demo/c1.jsonl": bare.read(BRANCH, "audit/demo/c1.jsonl")}
    bare.commit("main", squashed)
    assert bare.forge.find(BRANCH)[0].state is PullRequestState.OPEN
    bare.commit("main", {MANIFEST: FILES[MANIFEST].replace("port: 80", "port: 8080")})
    plain_git(bare.repository.folder, "update-ref", "-d", f"refs/heads/{BRANCH}")
    (pull,) = bare.forge.find(BRANCH)
    assert (pull.state, pull.head, pull.reason) == (PullRequestState.MERGED, first.commit, "")
    assert bare.forge.find(BRANCH) == [pull], "and it stays so"


def test_the_same_settings_from_another_hand_do_not_make_a_deleted_branch_merged(bare: Hosted) -> None:
    proposed(bare)
    bare.commit("main", {MANIFEST: bare.read(BRANCH, MANIFEST)})
    plain_git(bare.repository.folder, "update-ref", "-d", f"refs/heads/{BRANCH}")
    assert bare.forge.find(BRANCH)[0].state is PullRequestState.DECLINED


def test_a_declined_change_survives_a_clean_up_of_the_repository(bare: Hosted) -> None:
    first = proposed(bare)
    assert first.pull is not None
    bare.person.decline(first.pull.number, "no")
    proposed(bare, batch=16, campaign="c2")
    plain_git(bare.repository.folder, "reflog", "expire", "--expire=all", "--all")
    plain_git(bare.repository.folder, "gc", "-q", "--prune=now")
    assert bare.repository.snapshot(first.commit).read(MANIFEST)
    assert plain_git(bare.repository.folder, "fsck", "--strict") == ""


@given(st.text(max_size=80))
def test_branch_names_are_stable_valid_and_differ_by_path(path: str) -> None:
    from tuner.repository.reference import branch_ref

    name = branch_name(path)
    assert branch_ref(name) == f"refs/heads/{name}"
    assert name == branch_name(path)
    assert name != branch_name(f"{path}x")


def test_a_branch_is_named_after_the_folder_of_the_spec() -> None:
    assert branch_name("configs/Text Search/tuning.yaml").startswith("tuner/text-search-")
    assert branch_name("tuning-a.yaml").startswith("tuner/tuning-a-")


@given(st.text(max_size=200), st.text(max_size=40), st.text(max_size=40))
def test_a_marker_is_read_back_whatever_stands_around_it(body: str, campaign: str, change: str) -> None:
    marker = Marker(campaign=campaign, change=change, fingerprint="f")
    forged = Marker(campaign="x", change="x", fingerprint="x")
    assert Marker.find(marker.sign(f"{forged}\n{body}")) == marker
    assert Marker.find(f"{marker.sign(body)}\na person's words") == marker
    assert str(marker).count("-->") == 1


@pytest.mark.parametrize(
    "body", ["", "<!-- tuner: {} -->", "<!-- tuner: {x} -->", "<!-- tuner: [] -->", "<!-- other -->"]
)
def test_what_is_no_marker_is_not_taken_for_one(body: str) -> None:
    assert Marker.find(body) is None


def test_the_digest_of_a_change_is_about_the_settings_alone() -> None:
    one = change_digest(SPEC, {"a": 1, "b": 2}, {"a": 3, "b": 2})
    assert one == change_digest(SPEC, {"b": 2, "a": 1}, {"b": 2, "a": 3})
    assert one != change_digest(SPEC, {"a": 2, "b": 2}, {"a": 3, "b": 2})
    assert one != change_digest("other", {"a": 1, "b": 2}, {"a": 3, "b": 2})
