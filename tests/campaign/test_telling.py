"""The commit that carried the spec is told that a campaign runs and how it ended, once each."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from tuner.campaign.event import CampaignEnded, PullRequestChanged
from tuner.campaign.parts import Parts
from tuner.campaign.progress import Progress
from tuner.campaign.target import Target
from tuner.campaign.telling import status_context, tell_begun, tell_ended
from tuner.errors import PermanentError, TemporaryError, TunerError
from tuner.pull_request.embedded import EmbeddedForge
from tuner.pull_request.protocol import Status, StatusState
from tuner.repository.commit import TUNER
from tuner.repository.repository import Repository

SPEC = "configs/echo/tuning.yaml"


@dataclass(frozen=True)
class OnlyForge:
    """What of a campaign's parts is used here."""

    forge: Any


@dataclass(frozen=True)
class Refusing:
    """A forge that answers each status with an error."""

    error: TunerError

    def set_status(self, commit: str, status: Status) -> None:
        raise self.error


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(tmp_path / "r.git")], check=True)
    made = Repository.open(tmp_path / "r.git")
    date = datetime(2025, 1, 1, tzinfo=UTC)
    sha = made.commit(parent=None, changes={SPEC: b"x"}, message="m", date=date, author=TUNER, committer=TUNER)
    made.push("main", sha, expected=None)
    return made


def target(repository: Repository) -> Target:
    return Target("echo", SPEC, repository.resolve("main"), "main", repository.address)


def parts(forge: object) -> Parts:
    return cast(Parts, OnlyForge(forge))


def ended(result: str, reason: str = "done", url: str = "") -> Progress:
    pull = (PullRequestChanged(state="opened", number=3, url=url),) if url else ()
    end = CampaignEnded.model_validate({"result": result, "reason": reason})
    return replace(Progress(), ended=end, pull_request=pull)


@pytest.mark.parametrize(
    ("result", "state"),
    [
        ("proposed", StatusState.SUCCESS),
        ("kept-baseline", StatusState.SUCCESS),
        ("not-proposed", StatusState.SUCCESS),
        ("denied", StatusState.FAILURE),
        ("failed", StatusState.FAILURE),
        ("regressed", StatusState.FAILURE),
    ],
)
def test_the_end_replaces_the_beginning(repository: Repository, result: str, state: StatusState) -> None:
    forge, about = EmbeddedForge(repository), target(repository)
    tell_begun(about, parts(forge))
    begun = forge.status(about.spec_commit, status_context(SPEC))
    assert begun is not None
    assert begun.state is StatusState.PENDING
    tell_ended(about, parts(forge), ended(result, url="https://example.com/3"))
    before = repository.refs()
    tell_ended(about, parts(forge), ended(result, url="https://example.com/3"))
    assert repository.refs() == before
    told = forge.status(about.spec_commit, status_context(SPEC))
    assert told == Status(context=f"tuner/{SPEC}", state=state, text="done", url="https://example.com/3")


def test_a_campaign_that_has_not_ended_tells_nothing(repository: Repository) -> None:
    forge, about = EmbeddedForge(repository), target(repository)
    tell_ended(about, parts(forge), Progress())
    assert forge.status(about.spec_commit, status_context(SPEC)) is None


def test_long_reasons_are_cut_to_one_line_and_secrets_taken_out(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNER_FORGE_TOKEN", "planted-secret-0123")
    forge, about = EmbeddedForge(repository), target(repository)
    tell_ended(about, parts(forge), ended("denied", f"planted-secret-0123 was\nused {'x' * 300}"))
    told = forge.status(about.spec_commit, status_context(SPEC))
    assert told is not None
    assert len(told.text) == 140
    assert "planted" not in told.text
    assert "\n" not in told.text


def test_a_forge_that_refuses_does_not_end_a_campaign_and_one_that_is_away_is_asked_again(
    repository: Repository,
) -> None:
    about = target(repository)
    for error in (PermanentError("no"), TemporaryError("away")):
        tell_begun(about, parts(Refusing(error)))
    tell_ended(about, parts(Refusing(PermanentError("no"))), ended("proposed"))
    with pytest.raises(TemporaryError):
        tell_ended(about, parts(Refusing(TemporaryError("away"))), ended("proposed"))
