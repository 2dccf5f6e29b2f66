"""Talking to a remote repository: every call names its address and may use that address's protocol alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tuner.errors import PermanentError
from tuner.repository.address import Access, Address
from tuner.repository.failure import ContendedError, error_from
from tuner.repository.git import Git
from tuner.repository.reference import RefUpdate

__all__ = ["Remote", "RemoteRefs"]

_TIMEOUT = 600.0
_FETCHED = ("+refs/heads/*:refs/heads/*", "+refs/tuner/*:refs/tuner/*")
_ASKPASS = """#!/bin/sh
case "$1" in
  Username*) printf '%s\\n' "$TUNER_GIT_USERNAME" ;;
  *) printf '%s\\n' "$TUNER_GIT_TOKEN" ;;
esac
"""


@dataclass(frozen=True, slots=True)
class RemoteRefs:
    """What a remote has: SHA by full name, and the branch that its HEAD names."""

    refs: Mapping[str, str]
    head: str | None

    def fetched(self) -> Mapping[str, str]:
        """Those that a clone has too: branches and pull requests, no tags."""
        return {name: sha for name, sha in self.refs.items() if name.startswith(("refs/heads/", "refs/tuner/"))}


@dataclass(frozen=True, slots=True)
class Remote:
    """The other end. ``access`` is asked just before each use, since tokens are short-lived.

    Every method raises TemporaryError where the remote does not answer, PermanentError where it does not accept the
    credentials or refuses, UserError where there is no repository.
    """

    address: Address
    access: Callable[[], Access] | None = field(default=None, repr=False)

    def refs(self, git: Git) -> RemoteRefs:
        """Ask what there is, without fetching anything."""
        return _listed(self._run(git, "ls-remote", "--symref", self.address.url))

    def ask(self, git: Git, name: str) -> RemoteRefs:
        """Ask for one name alone, a full one or HEAD; where it is HEAD, its SHA is among the refs under that name."""
        text = self._run(git, "ls-remote", "--symref", self.address.url, name)
        found = _listed(text)
        own = [line.partition("\t")[0] for line in text.splitlines() if line.endswith("\tHEAD") and ": " not in line]
        return RemoteRefs({**found.refs, **({"HEAD": own[0]} if own else {})}, found.head)

    def fetch(self, git: Git) -> None:
        """Make the clone's branches and pull requests those of the remote."""
        options = ("--prune", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--no-recurse-submodules")
        self._run(git, "fetch", "--quiet", "--force", "--update-head-ok", *options, self.address.url, *_FETCHED)

    def fetch_one(self, git: Git, refspec: str, options: Sequence[str] = ()) -> None:
        """Bring what one refspec names, and no tags."""
        common = ("--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--no-recurse-submodules")
        self._run(git, "fetch", "--quiet", "--force", "--update-head-ok", *common, *options, self.address.url, refspec)

    def push(self, git: Git, updates: Sequence[RefUpdate]) -> None:
        """All updates or none, each only where the remote is still at its ``old``: TemporaryError where it is not."""
        leases = [f"--force-with-lease={update.ref}:{update.old or ''}" for update in updates]
        specs = [f"{update.new or ''}:{update.ref}" for update in updates]
        atomic = ["--atomic"] if len(updates) > 1 else []
        self._run(git, "push", "--porcelain", "--no-verify", *atomic, *leases, self.address.url, *specs)

    def _run(self, git: Git, *arguments: str) -> str:
        answer = git.run(
            *arguments,
            accept=range(256),
            environment=self._credentials(git),
            protocol=self.address.protocol,
            timeout=_TIMEOUT,
        )
        if answer.status != 0:
            # A refused push is told on standard output, and only there (--porcelain).
            words = f"{answer.stderr}\n{answer.text}" if arguments[0] == "push" else answer.stderr
            raise _lost_race(answer.text) or error_from(arguments[0], answer.status, words, about=str(self.address))
        return answer.text

    def _credentials(self, git: Git) -> Mapping[str, str]:
        if self.access is None or git.git_dir is None:
            return {}
        access = self.access()
        return {
            "GIT_ASKPASS": str(_askpass(git.git_dir)),
            "TUNER_GIT_USERNAME": access.username,
            "TUNER_GIT_TOKEN": access.token,
        }


def _listed(text: str) -> RemoteRefs:
    refs, head = {}, None
    for line in text.splitlines():
        value, _, name = line.partition("\t")
        if value.startswith("ref: ") and name == "HEAD":
            head = value.removeprefix("ref: refs/heads/")
        elif name.startswith("refs/") and not name.endswith("^{}"):
            refs[name] = value
    return RemoteRefs(refs, head)


def _lost_race(porcelain: str) -> ContendedError | None:
    if "[rejected] (stale info)" in porcelain or "[rejected] (fetch first)" in porcelain:
        return ContendedError("another process moved the branch first (look again and decide anew)")
    return None


def _askpass(git_dir: Path) -> Path:
    """The program that hands git the token from its environment; it holds no secret itself."""
    place = git_dir / "tuner-askpass"
    if not place.exists():
        try:
            partial = place.with_suffix(".new")
            partial.write_text(_ASKPASS, encoding="ascii")
            partial.chmod(0o700)
            partial.replace(place)
        except OSError as error:
            raise PermanentError(f"{place} cannot be written: {error.strerror}") from error
    return place
