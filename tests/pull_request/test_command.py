"""A comment asks for a further campaign, if its author may write; each request is answered once."""

from __future__ import annotations

import pytest

from tests.pull_request.hosting import BRANCH, FILES, MANIFEST, Hosted
from tuner.pull_request.command import acknowledge, asked_to_rerun


def opened(hosted: Hosted) -> int:
    hosted.commit(BRANCH, {MANIFEST: FILES[MANIFEST].replace("batch: 1", "batch: 8")})
    return hosted.forge.open(branch=BRANCH, base="main", title="t", body="/tuner rerun").number


def test_a_request_is_seen_until_it_is_answered(hosted: Hosted) -> None:
    number = opened(hosted)
    assert asked_to_rerun(hosted.forge, number) == []
    hosted.person.say(number, "The traffic has changed.\n\n/tuner rerun\n")
    (asked,) = asked_to_rerun(hosted.forge, number)
    assert asked.author == hosted.writer
    acknowledge(hosted.forge, number, asked, "A campaign is queued.")
    assert asked_to_rerun(hosted.forge, number) == []
    acknowledge(hosted.forge, number, asked, "The campaign has ended.")
    texts = [remark.text for remark in hosted.forge.comments(number) if remark.ours]
    assert len(texts) == 1
    assert texts[0].startswith("The campaign has ended.")
    hosted.person.say(number, "/tuner rerun")
    assert len(asked_to_rerun(hosted.forge, number)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "please /tuner rerun",
        "> /tuner rerun",
        "/tuner rerun now",
        "/tuner  ",
        "```\n/tuner rerun\n```",
        "<!--\n/tuner rerun\n-->",
        "/tuner-rerun",
    ],
)
def test_what_only_mentions_the_command_is_no_request(bare: Hosted, text: str) -> None:
    number = opened(bare)
    bare.person.say(number, text)
    assert asked_to_rerun(bare.forge, number) == []


def test_tuners_own_words_are_no_request(hosted: Hosted) -> None:
    number = opened(hosted)
    hosted.forge.comment(number, "/tuner rerun\n<!-- a -->", token="<!-- a -->")
    assert asked_to_rerun(hosted.forge, number) == []
