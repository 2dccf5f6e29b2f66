"""What a report is made from survives being stored, and refuses what no campaign can be."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from tuner.errors import PermanentError
from tuner.report.model import ReportInput

Build = Callable[..., ReportInput]


@pytest.mark.parametrize("ending", ["propose", "keep", "denied", "denied-then-next"])
def test_it_survives_the_round_trip(build: Build, ending: str) -> None:
    report = build(ending)
    again = ReportInput.from_json(report.to_json())
    assert again == report
    assert again.to_json() == report.to_json()


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", '{"spec": 1}'])
def test_a_damaged_store_says_so(damage: str) -> None:
    with pytest.raises(PermanentError, match="cannot be read"):
        ReportInput.from_json(damage)


def test_a_field_of_another_version_is_refused(build: Build) -> None:
    raw = json.loads(build().to_json())
    with pytest.raises(PermanentError, match="cannot be read"):
        ReportInput.from_json(json.dumps({**raw, "later": 1}))


def test_a_proposal_without_a_verdict_is_refused(build: Build) -> None:
    with pytest.raises(ValidationError, match="needs the verdict"):
        build("propose", candidates=())


def test_a_candidate_that_was_never_tried_is_refused(build: Build) -> None:
    report = build("denied-then-next")
    first, second = report.candidates
    with pytest.raises(ValidationError, match="not there"):
        build("denied-then-next", candidates=(first.model_copy(update={"trial": 999}), second))


@pytest.mark.parametrize("field", ["report", "figures"])
@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "a b", 'x"onload=', "x)](y", "https://x/<y>"]
)
def test_a_link_that_is_no_address_is_refused(build: Build, field: str, link: str) -> None:
    with pytest.raises(ValidationError):
        build(**{field: link})


@pytest.mark.parametrize("link", ["", "report.html", "../audit/x/report.html", "https://git.example/a/b?raw=1#x"])
def test_a_path_or_an_address_is_accepted(build: Build, link: str) -> None:
    assert build(report=link).report == link


@pytest.mark.parametrize("campaign", ["", "a b", "$(rm -rf /)", "-x", "a'b", "a\nb"])
def test_a_campaign_id_that_could_be_a_command_is_refused(build: Build, campaign: str) -> None:
    origin: dict[str, Any] = build().origin.model_dump()
    with pytest.raises(ValidationError):
        build(origin={**origin, "campaign": campaign})
