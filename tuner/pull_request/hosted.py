"""A forge by its kind, with what lets tuner in: the API and Git share one identity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from tuner.errors import UserError
from tuner.pull_request.project import Project
from tuner.pull_request.protocol import Forge
from tuner.repository.address import Access
from tuner.telemetry.redaction import remember_secret

__all__ = ["AppKey", "ForgeKind", "HostedForge", "hosted_forge"]


class ForgeKind(StrEnum):
    """Kinds of forge that have a server."""

    GITEA = "gitea"
    GITHUB = "github"
    GITLAB = "gitlab"


@dataclass(frozen=True, slots=True)
class AppKey:
    """An installation of a GitHub App; ``private_key`` reads its PEM."""

    app: str
    installation: int
    private_key: Callable[[], str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class HostedForge:
    """``access`` lets Git in; it is asked just before each use."""

    forge: Forge
    access: Callable[[], Access]


def hosted_forge(
    kind: str,
    address: str,
    credentials: Callable[[], str] | AppKey,
    *,
    api: str | None = None,
    project: str | None = None,
) -> HostedForge:
    """The forge of the repository at ``address`` (https, ssh, or http to this machine).

    ``credentials``: what reads a token, or the key of a GitHub App. ``api``: the server's address where the
    repository's does not tell it, for GitHub that of its API. ``project``: such as ``owner/name``, likewise. UserError
    for an unknown kind, for a key that is none, and for an address that is no project.
    """
    if kind not in ForgeKind.__members__.values():
        raise UserError.of(f"there is no kind of forge called {kind!r}", f"choose one of {', '.join(ForgeKind)}")
    place = _place(kind, address, api, project)
    if isinstance(credentials, AppKey):
        if kind != ForgeKind.GITHUB:
            raise UserError.of(f"a GitHub App cannot open pull requests on {kind}", "give a token")
        return _github_app(place, credentials)

    def token() -> str:
        secret = credentials()
        remember_secret(secret)
        return secret

    # Imported when it is chosen, since their client libraries take a while.
    if kind == ForgeKind.GITHUB:
        from tuner.pull_request.github.forge import GitHubForge
        from tuner.pull_request.github.hub import GitHubHub

        return HostedForge(
            GitHubForge(place, GitHubHub.with_token(place.server, token)), _access("x-access-token", token)
        )
    if kind == ForgeKind.GITLAB:
        from tuner.pull_request.gitlab.forge import GitLabForge
        from tuner.pull_request.gitlab.server import GitLabServer

        return HostedForge(GitLabForge(place, GitLabServer(place.server, token)), _access("oauth2", token))
    from tuner.pull_request.gitea.client import GiteaClient
    from tuner.pull_request.gitea.forge import GiteaForge

    return HostedForge(GiteaForge(place, GiteaClient(place.server, token)), _access("tuner", token))


def _github_app(place: Project, key: AppKey) -> HostedForge:
    from tuner.pull_request.github.forge import GitHubForge
    from tuner.pull_request.github.hub import GitHubHub

    private_key = key.private_key()
    remember_secret(private_key)
    hub = GitHubHub.as_app(place.server, key.app, private_key, key.installation)

    def token() -> str:
        secret = hub.token()
        remember_secret(secret)
        return secret

    return HostedForge(GitHubForge(place, hub), _access("x-access-token", token))


def _access(username: str, token: Callable[[], str]) -> Callable[[], Access]:
    return lambda: Access(username, token())


def _place(kind: str, address: str, api: str | None, path: str | None) -> Project:
    """The project, with the server that its API is at."""
    if api is not None and path is not None:
        return Project(api.rstrip("/"), path)
    found = Project.of(address)
    server = (api or found.server).rstrip("/")
    if kind == ForgeKind.GITHUB and api is None:
        server = "https://api.github.com" if server == "https://github.com" else f"{server}/api/v3"
    return Project(server, path or found.path)
