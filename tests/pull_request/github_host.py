"""A repository on the GitHub of our own: Ada administers it, tuner may write, Eve may read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from testbed.openapi import description
from tests.pull_request.described import read_description
from tests.pull_request.github_fake import NAME, OWNER, FakeGitHub, github_server
from tests.pull_request.hosting import ADA, Hosted, new_bare
from tuner.errors import UserError
from tuner.pull_request.github.forge import GitHubForge
from tuner.pull_request.github.hub import GitHubHub
from tuner.pull_request.patience import Patience
from tuner.pull_request.project import Project
from tuner.pull_request.protocol import PullRequest
from tuner.repository.merge import Conflict
from tuner.repository.repository import Repository

TOKEN = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
QUICK = Patience(tries=8, longest=2.0, sleep=lambda _: None)


@contextmanager
def fake_github(folder: Path) -> Iterator[FakeGitHub]:
    """It ends the test where an exchange was not as described."""
    repository = Repository.open(new_bare(folder / "origin.git"))
    fake = FakeGitHub(repository, read_description(description("github")))
    fake.people = {"ada": "admin", "bot": "write", "bob": "write", "eve": "read", "tuner-app[bot]": "write"}
    fake.tokens = {TOKEN: ("bot", float("inf"))}
    with github_server(fake):
        yield fake
    assert fake.wrong == []


def forge_on(fake: FakeGitHub, patience: Patience = QUICK) -> GitHubForge:
    hub = GitHubHub.with_token(fake.url, lambda: TOKEN, between_writes=0.0)
    return GitHubForge(Project(fake.url, f"{OWNER}/{NAME}"), hub, patience)


@contextmanager
def github_host(folder: Path) -> Iterator[Hosted]:
    with fake_github(folder) as fake:
        repository = Repository.clone(str(folder / "origin.git"), folder / "clone.git", local=True)
        forge = forge_on(fake)
        yield Hosted(forge, repository, GitHubPerson(fake, forge), writer="ada", reader="eve", reviewer="bob")


@dataclass(frozen=True)
class GitHubPerson:
    """Ada, who clicks."""

    fake: FakeGitHub
    forge: GitHubForge

    def merge(self, number: int) -> PullRequest:
        fake = self.fake
        with fake.lock:
            fake.settle()
            pull, repository = fake.pulls[number], fake.repository
            base = str(fake.tip(pull.base))
            made = repository.merge(
                ours=base,
                theirs=pull.sha,
                message=f"Merge #{number}",
                date=datetime(2025, 1, 2, tzinfo=UTC),
                author=ADA,
            )
            if isinstance(made, Conflict):
                raise UserError.of("not mergeable")
            repository.push(pull.base, made, expected=base)
            pull.state, pull.merge_commit = "merged", made
        return self.forge.get(number)

    def decline(self, number: int, reason: str) -> PullRequest:
        self.say(number, reason)
        with self.fake.lock:
            self.fake.settle()
            self.fake.pulls[number].state = "closed"
        return self.forge.get(number)

    def say(self, number: int, text: str) -> None:
        with self.fake.lock:
            self.fake.say(number, "ada", text)
