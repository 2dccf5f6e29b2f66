"""Which forge a watched repository has: the one place where a configuration's choice meets an implementation."""

from __future__ import annotations

from collections.abc import Callable

from tuner.errors import UserError
from tuner.pull_request.embedded import EmbeddedForge
from tuner.pull_request.protocol import Forge
from tuner.repository.address import Access
from tuner.repository.repository import Repository
from tuner.watch.configuration import Configuration, Watched

__all__ = ["access_of", "forge_of"]


def access_of(watched: Watched) -> Callable[[], Access] | None:
    """How Git is let in: read anew at each use, since whoever mints tokens replaces the file."""
    token = watched.token
    return None if token is None else lambda: Access(watched.username, token.read())


def forge_of(configuration: Configuration, watched: Watched, repository: Repository) -> Forge:
    """The forge of a repository. UserError for a kind that there is not."""
    if watched.forge == "embedded":
        return EmbeddedForge(repository)
    choice = configuration.forges[watched.forge]
    raise UserError.of(f"there is no kind of forge called {choice.kind!r}", "choose embedded")
