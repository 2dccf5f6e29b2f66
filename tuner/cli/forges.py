"""Which forge a watched repository has: the one place where a configuration's choice meets an implementation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tuner.errors import UserError
from tuner.pull_request.embedded import EmbeddedForge
from tuner.pull_request.hosted import AppKey, hosted_forge
from tuner.pull_request.protocol import Forge
from tuner.repository.address import Access
from tuner.repository.repository import Repository
from tuner.watch.configuration import Configuration, ForgeChoice, Secret, Watched

__all__ = ["Hosting", "calls_left", "hosting_of"]


@dataclass(frozen=True, slots=True)
class Hosting:
    """How Git is let in (None: without a name), and the forge of a clone."""

    access: Callable[[], Access] | None
    forge: Callable[[Repository], Forge]


def hosting_of(configuration: Configuration, watched: Watched) -> Hosting:
    """Where a repository is hosted. UserError for a kind of forge that there is not, and where a token is missing.

    Tokens are read anew at each use, since whoever mints them replaces the file.
    """
    own = None if watched.token is None else _access(watched.username, watched.token)
    if watched.forge == "embedded":
        return Hosting(own, EmbeddedForge)
    choice = configuration.forges[watched.forge]
    credentials = _credentials(choice, watched)
    hosted = hosted_forge(choice.kind, watched.url, credentials, api=choice.url, project=watched.project)
    return Hosting(own or hosted.access, lambda _: hosted.forge)


def calls_left(forge: Forge) -> dict[str, int]:
    """Calls that the forge said it still allows, by kind of call; empty where it said nothing, as Gitea never does."""
    match forge.name:
        case "github":
            return _left_on_github(forge)
        case "gitlab":
            return _left_on_gitlab(forge)
        case _:
            return {}


def _left_on_github(forge: Forge) -> dict[str, int]:
    from tuner.pull_request.github.forge import GitHubForge

    if not isinstance(forge, GitHubForge):
        return {}
    remaining, limit = forge.hub.github.requester.rate_limiting
    return {"core": remaining} if limit > 0 else {}


def _left_on_gitlab(forge: Forge) -> dict[str, int]:
    from tuner.pull_request.gitlab.forge import GitLabForge

    left = forge.server.calls_left if isinstance(forge, GitLabForge) else None
    return {} if left is None else {"core": left}


def _access(username: str, token: Secret) -> Callable[[], Access]:
    return lambda: Access(username, token.read())


def _credentials(choice: ForgeChoice, watched: Watched) -> Callable[[], str] | AppKey:
    if choice.app is not None and choice.installation is not None and choice.key is not None:
        return AppKey(choice.app, choice.installation, choice.key.read)
    token = choice.token or watched.token
    if token is None:
        raise UserError.of(f"the forge of {watched.name} has no token", "write token: {file: PATH} below it")
    return token.read
