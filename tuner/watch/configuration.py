"""``tuner.yaml``: what a service watches, how much it may run at once, and where it listens.

Written by whoever runs the service, not by the teams: a repository can change nothing of it. Secrets are named by the
file or environment variable that holds them, never written.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from tuner.errors import UserError
from tuner.repository.address import Address
from tuner.repository.reference import branch_ref
from tuner.spec.document import MAX_BYTES
from tuner.spec.loading import load_model
from tuner.spec.mistake import Mistake, nearest, shown
from tuner.spec.named_file import read_named
from tuner.spec.quantity import Duration, Rate, Share
from tuner.spec.section import Integer, Name, Number, Section, Text
from tuner.watch.listening import Listen

__all__ = [
    "BackendLimit",
    "Configuration",
    "ForgeChoice",
    "Leader",
    "Polling",
    "Retention",
    "Secret",
    "Team",
    "Watched",
    "Webhook",
    "load_configuration",
]

OWN_BRANCHES = "tuner/"
NO_TEAM = ""


class Secret(Section):
    """Where a secret is: exactly one of a file and an environment variable."""

    file: Text | None = Field(None, description="File that holds it and nothing else.")
    env: Text | None = Field(None, description="Environment variable that holds it.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.file is None) == (self.env is None):
            raise Mistake("a secret is in one place", "write either file: /run/secrets/name or env: NAME")
        return self

    def read(self) -> str:
        """The secret, without the newline at a file's end. UserError where it is missing or empty."""
        if self.env is not None:
            value = os.environ.get(self.env, "")
            place = f"the environment variable {self.env}"
        else:
            value = read_named(Path(self.file or ""), MAX_BYTES).decode(errors="replace")
            place = str(self.file)
        if not value.strip():
            raise UserError.of(f"{place} holds no secret", "put it there, or correct the configuration")
        return value.strip("\r\n")


def _address(text: str) -> str:
    try:
        Address.parse(text, local=True)
    except UserError as error:
        raise Mistake(error.problems[0].what, error.problems[0].fix) from error
    return text


def _branch(text: str) -> str:
    try:
        branch_ref(text)
    except UserError as error:
        raise Mistake(error.problems[0].what, "name the protected branch, for example main") from error
    if text.startswith(OWN_BRANCHES):
        raise Mistake(f"{text} is a branch of tuner's own, not a protected one", "name the protected branch")
    return text


class Watched(Section):
    """One repository."""

    name: Name = Field(description="What messages, metrics and folders call it; each once.")
    url: Annotated[Text, AfterValidator(_address)] = Field(description="https:// or ssh:// address, or a folder.")
    branch: Annotated[Text, AfterValidator(_branch)] | None = Field(
        None, description="The protected branch (default: the remote's own). Specs and policies are read from no other."
    )
    forge: Name = Field("embedded", description="Where its pull requests are: `embedded`, or a name below `forges`.")
    project: Text | None = Field(None, description="The repository on the forge, for example `owner/name`.")
    username: Text = Field("tuner", description="Name that Git is told beside the token.")
    token: Secret | None = Field(None, description="Token that may read it and push `tuner/` branches.")
    team: Name | None = Field(None, description="Who pays for its campaigns: a name below `teams`.")
    priority: Integer = Field(0, ge=-100, le=100, description="Higher runs first.")
    backend: Name = Field("process", description="Backend that runs its trials.")
    interval: Duration | None = Field(None, description="Time between looks, where it is another than `polling` says.")


class ForgeChoice(Section):
    """A forge that hosts pull requests."""

    kind: Name = Field(description="Kind of forge, for example `gitea`, `github` or `gitlab`.")
    url: Text | None = Field(None, description="Address of its API (default: the public one of that kind).")
    token: Secret | None = Field(None, description="Token for its API (default: that of the repository).")
    app: Text | None = Field(None, description="Id of a GitHub App, in the place of a token.")
    installation: Integer | None = Field(None, ge=1, description="The App's installation.")
    key: Secret | None = Field(None, description="The App's private key (PEM).")

    @model_validator(mode="after")
    def _whole_app(self) -> Self:
        parts = (self.app, self.installation, self.key)
        if any(part is not None for part in parts) and None in parts:
            raise Mistake("a GitHub App needs app, installation and key", "write all three, or a token")
        return self


class Polling(Section):
    """How often a repository is looked at."""

    interval: Duration = Field("2m", validate_default=True, description="Time between looks at one repository.")
    jitter: Share = Field(
        "50%", validate_default=True, description="Random part that is added to it, so that looks do not bunch."
    )
    longest: Duration = Field("1h", validate_default=True, description="Longest back-off after failures.")
    follow: Duration = Field(
        "10m", validate_default=True, description="Time between looks at the open pull requests of one repository."
    )
    workers: Integer = Field(8, ge=1, le=64, description="Repositories that are looked at together.")


class BackendLimit(Section):
    """How much one backend bears."""

    running: Integer = Field(1, ge=1, le=10_000, description="Campaigns at once.")


class Team(Section):
    """What one team may use."""

    running: Integer | None = Field(None, ge=1, le=10_000, description="Campaigns at once.")
    compute_hours: Annotated[Number, Field(gt=0, le=1e9)] | None = Field(
        None, description="Core-hours of trials within `window`, those that running campaigns may still use included."
    )
    window: Duration = Field("1d", validate_default=True, description="The time that `computeHours` is for.")


class Webhook(Section):
    """Where forges say that something was pushed. It only triggers a look."""

    listen: Listen = Field("127.0.0.1:8484", validate_default=True, description="Address and port.")
    secret: Secret = Field(description="Shared secret of the webhooks.")
    rate: Rate = Field("20/s", validate_default=True, description="Requests that are answered, of one sender.")


class Leader(Section):
    """How replicas agree who works."""

    kind: Literal["database", "kubernetes"] = Field("database", description="Where the lease is kept.")
    lease: Duration = Field("15s", validate_default=True, description="Time after which a silent leader is replaced.")
    name: Name = Field("tuner", description="Name of the lease.")
    namespace: Name = Field("default", description="Kubernetes namespace of the lease.")

    @field_validator("lease")
    @classmethod
    def _long_enough(cls, seconds: float) -> float:
        if not 1 <= seconds <= 600:
            raise Mistake(f"a lease of {seconds:g}s is too short or too long", "write from 1s to 10m")
        return seconds


class Retention(Section):
    """What is let go. The audit branch of a repository keeps every campaign, whatever is said here."""

    campaigns: Duration = Field("90d", validate_default=True, description="How long ended campaigns stay in the state.")


class Storage(Section):
    """The state database: exactly one of an address without a password, and a secret that is the whole address."""

    url: Text | None = Field(None, description="`sqlite:///path` or `postgresql://user@host/database`.")
    secret: Secret | None = Field(None, description="File or variable with the whole address.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.url is None) == (self.secret is None):
            raise Mistake("the database's address is in one place", "write either url or secret")
        if self.url and "@" in self.url and ":" in self.url.partition("://")[2].rpartition("@")[0]:
            raise Mistake("the address has a password in it", "put the whole address into a file and name it by secret")
        return self

    def address(self) -> str:
        """The database's URL. UserError where the secret is missing."""
        return self.secret.read() if self.secret else self.url or ""


class Configuration(Section):
    """The whole file."""

    api_version: Literal["tuner/v1alpha1"] = Field(description="Version of this format.")
    kind: Literal["WatchConfiguration"] = Field(description="Always `WatchConfiguration`.")
    repositories: tuple[Watched, ...] = Field(min_length=1, max_length=10_000, description="What is watched.")
    forges: dict[Name, ForgeChoice] = Field(default_factory=dict, max_length=100, description="Forges by name.")
    teams: dict[Name, Team] = Field(default_factory=dict, max_length=1000, description="Teams by name.")
    backends: dict[Name, BackendLimit] = Field(
        default_factory=dict, max_length=100, description="Limits by backend; one campaign at once where none is given."
    )
    polling: Polling = Field(default_factory=lambda: Polling.model_validate({}), description="How often to look.")
    attempts: Integer = Field(8, ge=1, le=1000, description="Tries of a campaign that an outage stopped.")
    database: Storage | None = Field(None, description="State database (default: SQLite in the state folder).")
    webhook: Webhook | None = Field(None, description="Webhooks; none are taken without it.")
    metrics: Listen = Field(
        "127.0.0.1:9464", validate_default=True, description="Address of `/metrics`, `/healthz` and `/readyz`."
    )
    leader: Leader = Field(default_factory=lambda: Leader.model_validate({}), description="How replicas agree.")
    retention: Retention = Field(default_factory=lambda: Retention.model_validate({}), description="What is let go.")
    standby: bool = Field(
        default=True,
        description="Keep a process ready that the next campaign begins in at once, for some 200 MiB of memory.",
    )
    drain: Duration = Field("30s", validate_default=True, description="Time that campaigns get to stop at SIGTERM.")

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        seen: set[str] = set()
        for place, watched in enumerate(self.repositories):
            if watched.name in seen:
                at: Any = ("repositories", place, "name")
                raise Mistake(f"two repositories are called {watched.name}", "name each differently", at=at)
            seen.add(watched.name)
            self._known(watched.team, self.teams, ("repositories", place, "team"), "team")
            forge = None if watched.forge == "embedded" else watched.forge
            self._known(forge, self.forges, ("repositories", place, "forge"), "forge")
        return self

    @staticmethod
    def _known(name: str | None, known: dict[str, Any], at: tuple[str | int, ...], what: str) -> None:
        if name is not None and name not in known:
            near = nearest(name, known)
            fix = f"did you mean {near}?" if near else f"add it below {what}s"
            raise Mistake(f"there is no {what} {shown(name)}", fix, at=at)

    def repository(self, name: str) -> Watched:
        """The repository of that name. UserError where there is none."""
        for watched in self.repositories:
            if watched.name == name:
                return watched
        raise UserError.of(f"the configuration has no repository {name!r}", "name one of its repositories")

    def limit(self, backend: str) -> int:
        """Campaigns that a backend runs at once."""
        return self.backends[backend].running if backend in self.backends else 1


def load_configuration(path: Path) -> Configuration:
    """The configuration in a file. UserError with every mistake in it, each at its line and column."""
    return load_model(read_named(path, MAX_BYTES), str(path), Configuration)[0]
