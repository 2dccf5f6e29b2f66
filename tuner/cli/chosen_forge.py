"""The forge of a single campaign or watch: its kind from the command line, its credentials from the environment alone.

``TUNER_FORGE_TOKEN``, or the file that ``TUNER_FORGE_TOKEN_FILE`` names; for a GitHub App ``TUNER_GITHUB_APP_ID``,
``TUNER_GITHUB_INSTALLATION_ID`` and ``TUNER_GITHUB_PRIVATE_KEY`` (or ``…_FILE``) in its place.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tuner.errors import UserError
from tuner.pull_request.hosted import AppKey, HostedForge, hosted_forge
from tuner.repository.repository import Repository

__all__ = ["ForgeOption", "chosen_forge", "origin_of"]

_TOKEN, _APP, _INSTALLATION = "TUNER_FORGE_TOKEN", "TUNER_GITHUB_APP_ID", "TUNER_GITHUB_INSTALLATION_ID"
_KEY = "TUNER_GITHUB_PRIVATE_KEY"
_LARGEST = 64 << 10


@dataclass(frozen=True, slots=True)
class ForgeOption:
    """``kind``: ``embedded``, or a kind that has a server; ``api``: where its API is, if the address does not tell."""

    kind: str = "embedded"
    api: str | None = None


def chosen_forge(option: ForgeOption, address: str, environment: Mapping[str, str] = os.environ) -> HostedForge | None:
    """The forge of the repository at this address; ``None`` for the embedded one.

    UserError for an unknown kind, missing credentials, and an address that is no project on a forge.
    """
    if option.kind == "embedded":
        return None
    return hosted_forge(option.kind, address, _credentials(environment), api=option.api)


def origin_of(repository: Repository) -> str:
    """Address of the remote that a work tree was cloned from. UserError where it was cloned from none."""
    found = repository.git.run("config", "--get", "remote.origin.url", accept=(0, 1)).text
    if not found:
        raise UserError.of(
            f"{repository.address} has no remote called origin", "a forge needs a repository that it hosts"
        )
    return found


def _credentials(environment: Mapping[str, str]) -> Callable[[], str] | AppKey:
    app, installation = environment.get(_APP), environment.get(_INSTALLATION)
    if app:
        if not installation or not installation.isdigit():
            raise UserError.of(f"{_INSTALLATION} is not a number", "it stands in the address of the App's installation")
        return AppKey(app, int(installation), _secret(environment, _KEY))
    return _secret(environment, _TOKEN)


def _secret(environment: Mapping[str, str], name: str) -> Callable[[], str]:
    """Reads it anew at each use: whoever mints tokens replaces the file. UserError at once where there is none."""
    file = environment.get(f"{name}_FILE")

    def read() -> str:
        value = environment.get(name, "") if file is None else _content(Path(file))
        if not value.strip():
            raise UserError.of("there are no credentials for the forge", f"set {name}, or {name}_FILE to a file's path")
        return value.strip()

    read()
    return read


def _content(file: Path) -> str:
    try:
        with file.open("rb") as handle:
            return handle.read(_LARGEST).decode()
    except (OSError, ValueError) as error:
        raise UserError.of("the forge's credentials cannot be read", "it is a text file", file=str(file)) from error
