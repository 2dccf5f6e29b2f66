"""A repository on a real Gitea: Ada owns it, tuner may write, Eve may read."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.gitea import Account, Gitea
from tests.pull_request.hosting import Hosted, first_commit
from tuner.pull_request.gitea.client import GiteaClient
from tuner.pull_request.gitea.forge import GiteaForge
from tuner.pull_request.patience import Patience
from tuner.pull_request.project import Project
from tuner.pull_request.protocol import PullRequest
from tuner.repository.address import Access
from tuner.repository.repository import Repository

_COUNT = itertools.count(1)
SCOPES = "write:repository,write:issue,read:user"


@dataclass(frozen=True)
class Town:
    """A server and who lives there. The bot's token has what docs/forges.md asks for."""

    gitea: Gitea
    ada: Account
    eve: Account
    bob: Account
    bot: Account

    @classmethod
    def on(cls, gitea: Gitea) -> Town:
        ada, eve, bob = (gitea.account(name) for name in ("ada", "eve", "bob"))
        return cls(gitea, ada, eve, bob, gitea.account("bot", SCOPES))

    def host(self, folder: Path) -> Hosted:
        name = f"service-{next(_COUNT)}"
        address = self.gitea.repository(self.ada, name, {"bot": "write", "eve": "read", "bob": "write"})
        project = Project.of(address)
        access = lambda: Access(self.bot.name, self.bot.token)  # noqa: E731
        repository = Repository.clone(address, folder / name, access=access)
        first_commit(repository)
        repository.fetch()
        deadline = time.monotonic() + 30
        while self.gitea.call(self.ada, "GET", f"/repos/{project.path}")["empty"]:
            # Gitea notes a push after it has answered, and a repository that it holds for empty has no pull requests.
            assert time.monotonic() < deadline
        forge = GiteaForge(project, GiteaClient(project.server, lambda: self.bot.token), Patience(tries=6, longest=2.0))
        person = GiteaPerson(self.gitea, self.ada, project.path, forge)
        return Hosted(forge, repository, person, writer="ada", reader="eve", reviewer="bob")


@dataclass(frozen=True)
class GiteaPerson:
    """Somebody who clicks, by the API."""

    gitea: Gitea
    account: Account
    path: str
    forge: GiteaForge

    def merge(self, number: int) -> PullRequest:
        self._call("POST", f"/pulls/{number}/merge", {"Do": "merge"})
        return self.forge.get(number)

    def decline(self, number: int, reason: str) -> PullRequest:
        self.say(number, reason)
        self._call("PATCH", f"/pulls/{number}", {"state": "closed"})
        return self.forge.get(number)

    def say(self, number: int, text: str) -> None:
        self._call("POST", f"/issues/{number}/comments", {"body": text})

    def _call(self, method: str, path: str, body: object) -> Any:
        return self.gitea.call(self.account, method, f"/repos/{self.path}{path}", body)
