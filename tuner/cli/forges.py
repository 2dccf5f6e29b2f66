"""Which forge a watched repository has: the one place where a configuration's choice meets an implementation."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tuner.errors import UserError
from tuner.pull_request.embedded import EmbeddedForge
from tuner.pull_request.project import Project
from tuner.pull_request.protocol import Forge
from tuner.repository.address import Access
from tuner.repository.repository import Repository
from tuner.watch.configuration import Configuration, ForgeChoice, Watched

__all__ = ["access_of", "calls_left", "forge_of"]

_GITHUB = "https://api.github.com"


def access_of(watched: Watched) -> Callable[[], Access] | None:
    """How Git is let in: read anew at each use, since whoever mints tokens replaces the file."""
    token = watched.token
    return None if token is None else lambda: Access(watched.username, token.read())


def forge_of(configuration: Configuration, watched: Watched, repository: Repository) -> Forge:
    """The forge of a repository. UserError for a kind that there is not, and where a token is missing."""
    if watched.forge == "embedded":
        return EmbeddedForge(repository)
    choice = configuration.forges[watched.forge]
    makers: Mapping[str, Callable[[ForgeChoice, Watched], Forge]] = {"gitea": _gitea, "github": _github}
    maker = makers.get(choice.kind)
    if maker is None:
        known = ", ".join(["embedded", *makers])
        raise UserError.of(f"there is no kind of forge called {choice.kind!r}", f"choose one of {known}")
    return maker(choice, watched)


def calls_left(forge: Forge) -> dict[str, int]:
    """Calls that the forge said it still allows, by kind of call; empty where it said nothing."""
    from tuner.pull_request.github.forge import GitHubForge

    if isinstance(forge, GitHubForge):
        remaining, limit = forge.hub.github.requester.rate_limiting
        return {"core": remaining} if limit > 0 else {}
    return {}


def _gitea(choice: ForgeChoice, watched: Watched) -> Forge:
    from tuner.pull_request.gitea.client import GiteaClient
    from tuner.pull_request.gitea.forge import GiteaForge

    project = _project(choice, watched)
    return GiteaForge(project, GiteaClient(project.server, _token(choice, watched)))


def _github(choice: ForgeChoice, watched: Watched) -> Forge:
    from tuner.pull_request.github.forge import GitHubForge
    from tuner.pull_request.github.hub import GitHubHub

    api = choice.url or _GITHUB
    if choice.app is not None and choice.installation is not None and choice.key is not None:
        hub = GitHubHub.as_app(api, choice.app, choice.key.read(), choice.installation)
    else:
        hub = GitHubHub.with_token(api, _token(choice, watched))
    return GitHubForge(_project(choice.model_copy(update={"url": None}), watched), hub)


def _project(choice: ForgeChoice, watched: Watched) -> Project:
    """Where the repository's address does not say it, the configuration does."""
    if watched.project is None:
        found = Project.of(watched.url)
        return Project(choice.url.rstrip("/"), found.path) if choice.url else found
    server = choice.url or Project.of(watched.url).server
    return Project(server.rstrip("/"), watched.project)


def _token(choice: ForgeChoice, watched: Watched) -> Callable[[], str]:
    token = choice.token or watched.token
    if token is None:
        raise UserError.of(f"the forge of {watched.name} has no token", "write token: {file: PATH} below it")
    return token.read
