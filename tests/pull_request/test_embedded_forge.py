"""The forge that needs no server: what people do with its pull requests."""

from __future__ import annotations

import pytest

from tests.pull_request.hosting import BRANCH, FILES, MANIFEST, Hosted
from tuner.errors import UserError
from tuner.pull_request.protocol import PullRequest

CHANGED = FILES[MANIFEST].replace("batch: 1", "batch: 8")


def opened(hosted: Hosted) -> PullRequest:
    hosted.commit(BRANCH, {MANIFEST: CHANGED})
    return hosted.forge.open(branch=BRANCH, base="main", title="Batch 8", body="Better.")


def test_merging_twice_makes_one_merge_commit(bare: Hosted) -> None:
    pull = opened(bare)
    merged = bare.person.merge(pull.number)
    tip = bare.repository.commit_at("main")
    assert bare.person.merge(pull.number).merge_commit == merged.merge_commit == tip.sha
    assert bare.repository.commit_at("main") == tip
    with pytest.raises(UserError, match="merged"):
        bare.person.decline(pull.number, "too late")


def test_declining_twice_keeps_the_first_reason(bare: Hosted) -> None:
    pull = opened(bare)
    declined = bare.person.decline(pull.number, "we like 1")
    assert bare.person.decline(pull.number, "other words") == declined
    with pytest.raises(UserError, match="declined"):
        bare.person.merge(pull.number)


def test_a_conflict_says_what_to_do(bare: Hosted) -> None:
    pull = opened(bare)
    bare.commit("main", {MANIFEST: FILES[MANIFEST].replace("batch: 1", "batch: 2")})
    with pytest.raises(UserError) as caught:
        bare.person.merge(pull.number)
    assert "\n" not in str(caught.value)
    assert caught.value.problems[0].fix


@pytest.mark.parametrize("number", [0, 1, -1, 999])
def test_a_number_that_is_not_there_cannot_be_merged_or_declined(bare: Hosted, number: int) -> None:
    with pytest.raises(UserError, match=str(number)):
        bare.person.merge(number)
    with pytest.raises(UserError, match=str(number)):
        bare.person.decline(number, "r")
