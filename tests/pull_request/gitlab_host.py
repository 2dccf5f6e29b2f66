"""A repository on the GitLab of our own: Ada maintains it, tuner may write, Eve may read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.pull_request.gitlab_fake import PATH, FakeGitLab, gitlab_server
from tests.pull_request.hosting import ADA, Hosted, new_bare
from tuner.errors import UserError
from tuner.pull_request.gitlab.forge import GitLabForge
from tuner.pull_request.gitlab.server import GitLabServer
from tuner.pull_request.patience import Patience
from tuner.pull_request.project import Project
from tuner.pull_request.protocol import PullRequest
from tuner.repository.merge import Conflict
from tuner.repository.repository import Repository

GITLAB_TOKEN = "glpat-0123456789abcdefABCD"
_QUICK = Patience(tries=8, longest=2.0, sleep=lambda _: None)


@contextmanager
def fake_gitlab(folder: Path) -> Iterator[FakeGitLab]:
    """It ends the test where a call took what is not documented."""
    fake = FakeGitLab(Repository.open(new_bare(folder / "origin.git")))
    fake.people = {"ada": "admin", "bot": "write", "bob": "write", "eve": "read", "guest": "guest"}
    fake.tokens = {GITLAB_TOKEN: "bot"}
    with gitlab_server(fake):
        yield fake
    assert fake.wrong == []


def gitlab_forge(fake: FakeGitLab, patience: Patience = _QUICK) -> GitLabForge:
    return GitLabForge(Project(fake.url, PATH), GitLabServer(fake.url, lambda: GITLAB_TOKEN), patience)


@contextmanager
def gitlab_host(folder: Path) -> Iterator[Hosted]:
    with fake_gitlab(folder) as fake:
        repository = Repository.clone(str(folder / "origin.git"), folder / "clone.git", local=True)
        forge = gitlab_forge(fake)
        yield Hosted(forge, repository, GitLabPerson(fake, forge), writer="ada", reader="eve", reviewer="bob")


@dataclass(frozen=True)
class GitLabPerson:
    """Ada, who clicks."""

    fake: FakeGitLab
    forge: GitLabForge

    def merge(self, number: int) -> PullRequest:
        fake = self.fake
        with fake.lock:
            fake.settle()
            merge, repository = fake.merges[number], fake.repository
            base, moment = str(fake.tip(merge.target)), datetime(2025, 1, 2, tzinfo=UTC)
            made = repository.merge(ours=base, theirs=merge.sha, message=f"Merge !{number}", date=moment, author=ADA)
            if isinstance(made, Conflict):
                raise UserError.of("not mergeable")
            repository.push(merge.target, made, expected=base)
            merge.state, merge.merge_commit = "merged", made
        return self.forge.get(number)

    def decline(self, number: int, reason: str) -> PullRequest:
        self.say(number, reason)
        with self.fake.lock:
            self.fake.settle()
            self.fake.merges[number].state = "closed"
            self.fake.say(number, "ada", "closed", system=True)
        return self.forge.get(number)

    def say(self, number: int, text: str) -> None:
        with self.fake.lock:
            self.fake.say(number, "ada", text)
