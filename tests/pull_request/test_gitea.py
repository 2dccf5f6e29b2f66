"""Gitea's ways, on a real one: what a token may not, what must never be told, and who is let in."""

from __future__ import annotations

import json
import logging
import os
import shutil
from pathlib import Path

import pytest

from tests.pull_request.conftest import proposal
from tests.pull_request.gitea_host import SCOPES, Town
from tests.pull_request.hosting import BRANCH, FILES, MANIFEST, Hosted
from tuner.cli.chosen_forge import ForgeOption, chosen_forge
from tuner.errors import PermanentError, TemporaryError, UserError
from tuner.pull_request.decision import Outcome
from tuner.pull_request.gitea.client import GiteaClient
from tuner.pull_request.gitea.forge import GiteaForge
from tuner.pull_request.hosted import hosted_forge
from tuner.pull_request.patience import Patience
from tuner.pull_request.project import Project
from tuner.pull_request.proposal import propose
from tuner.repository.repository import Repository
from tuner.telemetry.logs import configure_logs
from tuner.telemetry.redaction import redact

pytestmark = pytest.mark.real


@pytest.fixture
def gitea(town: Town, tmp_path: Path) -> Hosted:
    return town.host(tmp_path)


def client(hosted: Hosted, token: str) -> GiteaForge:
    forge = hosted.forge
    assert isinstance(forge, GiteaForge)
    return GiteaForge(forge.project, GiteaClient(forge.project.server, lambda: token), Patience(tries=1))


def opened(hosted: Hosted) -> int:
    hosted.commit(BRANCH, {MANIFEST: FILES[MANIFEST].replace("batch: 1", "batch: 8")})
    return hosted.forge.open(branch=BRANCH, base="main", title="t", body="b").number


def test_a_branch_of_a_fork_with_the_same_name_is_not_ours(gitea: Hosted, town: Town) -> None:
    forge = gitea.forge
    assert isinstance(forge, GiteaForge)
    path = forge.project.path
    number = opened(gitea)
    fork = f"fork-of-{path.rpartition('/')[2]}"
    town.gitea.call(town.eve, "POST", f"/repos/{path}/forks", {"name": fork})
    body = {"branch": BRANCH, "new_branch": BRANCH, "content": "aGk=", "message": "mine"}
    town.gitea.call(town.eve, "POST", f"/repos/eve/{fork}/contents/notes.md", body)
    proposed = {"head": f"eve:{BRANCH}", "base": "main", "title": "theirs"}
    town.gitea.call(town.eve, "POST", f"/repos/{path}/pulls", proposed)
    assert [pull.number for pull in forge.find(BRANCH)] == [number]
    assert [pull.number for pull in forge.list()] == [number]


def test_who_may_write_is_asked_of_the_forge_and_denied_where_it_does_not_say(gitea: Hosted, town: Town) -> None:
    forge = gitea.forge
    assert isinstance(forge, GiteaForge)
    assert not forge.may_write("bob"), "a token that may only write is not told about others"
    town.gitea.call(town.ada, "PUT", f"/repos/{forge.project.path}/collaborators/bot", {"permission": "admin"})
    assert forge.may_write("bob")
    assert not forge.may_write("eve")
    assert not forge.may_write("nobody-of-this-name")


def test_a_reader_is_refused_for_good_and_a_wrong_token_is_not_told(gitea: Hosted, town: Town) -> None:
    number = opened(gitea)
    for token in (town.eve.token, "0123456789abcdef0123456789abcdef01234567"):
        with pytest.raises(PermanentError) as caught:
            client(gitea, token).update(number, title="x", body="y")
        assert token not in str(caught.value)


def test_a_project_that_is_not_there_is_told(town: Town) -> None:
    project = Project(town.gitea.url, "ada/nowhere")
    forge = GiteaForge(project, GiteaClient(project.server, lambda: town.bot.token), Patience(tries=1))
    with pytest.raises(PermanentError, match="not there"):
        forge.find(BRANCH)


def test_a_server_that_hangs_up_is_waited_for(town: Town) -> None:
    project = Project("http://127.0.0.1:9", "ada/x")
    with pytest.raises(TemporaryError):
        GiteaForge(project, GiteaClient(project.server, lambda: "x"), Patience(2, sleep=lambda _: None)).list()


def test_a_planted_token_is_in_no_address_argument_log_file_or_pull_request(
    gitea: Hosted, town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = town.gitea.token("bot", SCOPES)
    (tmp_path / "token").write_text(f"{secret}\n")
    monkeypatch.setenv("TUNER_FORGE_TOKEN_FILE", str(tmp_path / "token"))
    configure_logs(level="debug")
    logging.getLogger("urllib3").setLevel(logging.DEBUG)
    _trap(tmp_path / "bin", tmp_path / "arguments", monkeypatch)
    assert gitea.repository.remote is not None
    address = gitea.repository.address
    hosted = chosen_forge(ForgeOption("gitea"), address)
    assert hosted is not None
    repository = Repository.clone(address, tmp_path / "mine.git", access=hosted.access)
    result = propose(repository, hosted.forge, proposal(repository, batch=32))
    assert result.outcome is Outcome.OPENED
    assert (tmp_path / "arguments").read_text().count("push") >= 1, "git was called through the trap"
    assert result.pull is not None
    told = [*capsys.readouterr(), (tmp_path / "arguments").read_text(), result.pull.model_dump_json()]
    told += [json.dumps([remark.model_dump() for remark in hosted.forge.comments(result.pull.number)])]
    files = [file.read_bytes() for file in (tmp_path / "mine.git").rglob("*") if file.is_file()]
    assert not any(secret in text for text in told)
    assert not any(secret.encode() in raw for raw in files)
    assert secret not in redact(f"something says {secret}")


def _trap(folder: Path, arguments: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ``git`` that writes its arguments down, and those of nothing else."""
    real = shutil.which("git")
    folder.mkdir()
    script = folder / "git"
    script.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> "{arguments}"\nexec "{real}" "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("option", "environment", "words"),
    [
        (ForgeOption("gitea"), {}, "TUNER_FORGE_TOKEN"),
        (ForgeOption("gitea"), {"TUNER_FORGE_TOKEN_FILE": "/nonexistent"}, "cannot be read"),
        (ForgeOption("elsewhere"), {"TUNER_FORGE_TOKEN": "x" * 20}, "kind of forge"),
        (ForgeOption("gitea"), {"TUNER_GITHUB_APP_ID": "1"}, "TUNER_GITHUB_INSTALLATION_ID"),
    ],
)
def test_what_is_missing_is_named(option: ForgeOption, environment: dict[str, str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        chosen_forge(option, "https://example.com/acme/services.git", environment)


def test_an_unchanged_proposal_costs_no_write(gitea: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    propose(gitea.repository, gitea.forge, proposal(gitea.repository))
    forge = gitea.forge
    assert isinstance(forge, GiteaForge)

    def refuse(*_: object) -> None:
        raise AssertionError("a write")

    monkeypatch.setattr(forge.client, "write", refuse)
    monkeypatch.setattr(forge.client, "made", refuse)
    assert propose(gitea.repository, forge, proposal(gitea.repository)).outcome is Outcome.UNCHANGED


def test_git_and_the_api_are_let_in_by_one_token(gitea: Hosted, town: Town) -> None:
    hosted = hosted_forge("gitea", gitea.repository.address, lambda: town.bot.token)
    assert hosted.access().token == town.bot.token
    assert list(hosted.forge.list()) == []
