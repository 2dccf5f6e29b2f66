"""The service's command line: its mistakes, and which forge and credentials a configuration means."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.campaign.service import Service
from tests.watch.conftest import configuration
from tuner.cli.forges import calls_left, hosting_of
from tuner.errors import UserError
from tuner.repository.address import Access
from tuner.repository.repository import Repository

URL = "url: https://git.example.com/vision/serving.git"


def test_a_mistake_in_the_configuration_is_told_with_its_place(service: Service) -> None:
    file = service.root / "tuner.yaml"
    file.write_text(
        "apiVersion: tuner/v1alpha1\nkind: WatchConfiguration\nrepositories:\n  - { name: A, url: /srv/a }\n"
    )
    done = service.tuner("watch", "--config", str(file), expect=2)
    assert f"{file}:4:13: 'A' is not a name" in done.stderr.replace("\n", " ")


def test_there_is_one_thing_to_watch(service: Service) -> None:
    assert "nothing to watch" in service.tuner("watch", expect=2).stderr
    both = service.tuner("watch", str(service.repository), "--config", "tuner.yaml", expect=2)
    assert "nothing to watch" in both.stderr


def test_a_repository_is_its_own_forge_unless_another_is_named(service: Service) -> None:
    choice = configuration(f"name: a, {URL}")
    hosting = hosting_of(choice, choice.repositories[0])
    assert hosting.access is None
    with Repository.open(service.repository) as repository:
        forge = hosting.forge(repository)
        assert forge.name == "embedded"
        assert calls_left(forge) == {}


@pytest.mark.parametrize("kind", ["gitea", "github", "gitlab"])
def test_a_named_forge_is_called_with_a_token_that_is_read_anew(service: Service, tmp_path: Path, kind: str) -> None:
    token = tmp_path / "token"
    token.write_text("first-token\n")
    choice = configuration(
        f"name: a, {URL}, forge: ours", forges=f"{{ours: {{kind: {kind}, token: {{file: {token}}}}}}}"
    )
    hosting = hosting_of(choice, choice.repositories[0])
    with Repository.open(service.repository) as repository:
        forge = hosting.forge(repository)
    assert forge.name == kind
    assert calls_left(forge) == {}
    assert hosting.access is not None
    assert hosting.access().token == "first-token"
    token.write_text("second-token\n")
    assert hosting.access().token == "second-token"


def test_the_repositorys_own_token_lets_git_in(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("own-token\n")
    choice = configuration(f"name: a, {URL}, username: robot, token: {{file: {token}}}")
    access = hosting_of(choice, choice.repositories[0]).access
    assert access is not None
    assert access() == Access("robot", "own-token")


def test_a_forge_that_there_is_not_or_without_a_token_is_a_mistake(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("a-token\n")
    unknown = configuration(f"name: a, {URL}, forge: f, token: {{file: {token}}}", forges="{f: {kind: sourceforge}}")
    with pytest.raises(UserError, match="no kind of forge called 'sourceforge'"):
        hosting_of(unknown, unknown.repositories[0])
    bare = configuration(f"name: a, {URL}, forge: f", forges="{f: {kind: gitea}}")
    with pytest.raises(UserError, match="the forge of a has no token"):
        hosting_of(bare, bare.repositories[0])
