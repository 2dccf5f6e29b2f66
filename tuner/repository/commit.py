"""A commit as a value, and how one is built from objects alone: no work tree, no index of the user's, no identity."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from pydantic import field_validator

from tuner.errors import PermanentError
from tuner.repository.git import Git
from tuner.repository.tree import edit_tree
from tuner.value import Value

__all__ = ["TUNER", "Commit", "Identity", "Signer", "build_commit", "commit_tree"]

Signer = Callable[[bytes], str]
"""The armored signature of a commit's bytes, in the namespace ``git``; the same for the same bytes."""
_TRAILER = re.compile(r"^(?P<key>[A-Za-z0-9][A-Za-z0-9-]*): (?P<value>.*)$")
_SIGNATURE = re.compile(r"^(?P<name>.*?) ?<(?P<email>[^>]*)> (?P<seconds>\d+) [+-]\d{4}$")


class Identity(Value):
    """A person's or program's name and address, as commits carry them."""

    name: str
    email: str

    @field_validator("name", "email")
    @classmethod
    def _plain(cls, text: str) -> str:
        if not text.strip() or not text.isprintable() or set(text) & set("<>"):
            raise ValueError("a name or address in a commit is one line without < and >")
        return text.strip()

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"


TUNER = Identity(name="tuner", email="tuner@tuner.invalid")
"""The service itself. ``.invalid`` can never be a person's address; no configured identity is ever needed."""


@dataclass(frozen=True, slots=True)
class Commit:
    """What a commit object says."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Identity | None
    committer: Identity | None
    """None where the object's line is malformed."""
    date: datetime
    """When it was committed, in UTC."""
    message: str

    @property
    def trailers(self) -> Mapping[str, str]:
        """``Key: value`` lines of the message's last paragraph; the last one of a key counts."""
        paragraphs = [part for part in re.split(r"\n\s*\n", self.message.strip()) if part]
        if len(paragraphs) < 2:
            return {}
        matches = [_TRAILER.match(line) for line in paragraphs[-1].splitlines()]
        return {match["key"]: match["value"] for match in matches if match}

    @classmethod
    def read(cls, git: Git, sha: str) -> Self:
        """The commit; PermanentError where the object is missing or damaged."""
        head, _, message = git.run("cat-file", "commit", sha).stdout.decode(errors="replace").partition("\n\n")
        lines = [line.partition(" ") for line in head.splitlines() if not line.startswith(" ")]
        first = {key: value for key, _, value in reversed(lines)}
        if "tree" not in first:
            raise PermanentError(f"the repository is damaged: commit {sha[:12]} has no tree")
        author, _ = _signature(first.get("author", ""))
        committer, date = _signature(first.get("committer", ""))
        above = tuple(value for key, _, value in lines if key == "parent")
        return cls(sha, first["tree"], above, author, committer, date, message)


def build_commit(
    git: Git,
    *,
    parents: Sequence[str],
    changes: Mapping[str, bytes | None],
    message: str,
    author: Identity,
    committer: Identity,
    date: datetime,
    signer: Signer | None = None,
) -> str:
    """SHA of a commit whose tree is the first parent's (empty without one) with the changes; None deletes a file.

    Equal input gives an equal SHA. Nothing refers to the commit yet. UserError for a path that is not to be written.
    """
    tree = edit_tree(git, f"{parents[0]}^{{tree}}" if parents else None, changes)
    return commit_tree(
        git, tree, parents=parents, message=message, author=author, committer=committer, date=date, signer=signer
    )


def commit_tree(
    git: Git,
    tree: str,
    *,
    parents: Sequence[str],
    message: str,
    author: Identity,
    committer: Identity,
    date: datetime,
    signer: Signer | None = None,
) -> str:
    """SHA of a commit of that tree. ``date`` needs a time zone; ValueError where it has none or NUL is in the text."""
    if date.tzinfo is None or "\0" in message:
        raise ValueError("a commit needs a date with a time zone and a message without NUL")
    stamp = f"{int(date.timestamp())} +0000"
    environment = {
        "GIT_AUTHOR_NAME": author.name,
        "GIT_AUTHOR_EMAIL": author.email,
        "GIT_AUTHOR_DATE": stamp,
        "GIT_COMMITTER_NAME": committer.name,
        "GIT_COMMITTER_EMAIL": committer.email,
        "GIT_COMMITTER_DATE": stamp,
    }
    above = [part for parent in parents for part in ("-p", parent)]
    text = message if message.endswith("\n") else f"{message}\n"
    sha = git.run("commit-tree", tree, *above, "-F", "-", stdin=text.encode(), environment=environment).text
    return sha if signer is None else _signed(git, sha, signer)


def _signed(git: Git, sha: str, signer: Signer) -> str:
    """The commit again with its signature as a header, where ``git commit -S`` puts it: after all others."""
    raw = git.run("cat-file", "commit", sha).stdout
    head, _, message = raw.partition(b"\n\n")
    name = "gpgsig" if len(sha) == 40 else "gpgsig-sha256"
    header = f"{name} {signer(raw).strip()}".replace("\n", "\n ").encode()
    return git.run("hash-object", "-t", "commit", "-w", "--stdin", stdin=b"%b\n%b\n\n%b" % (head, header, message)).text


def _signature(line: str) -> tuple[Identity | None, datetime]:
    match = _SIGNATURE.match(line)
    if match is None:
        return None, datetime.fromtimestamp(0, UTC)
    try:
        date = datetime.fromtimestamp(int(match["seconds"]), UTC)
        return Identity(name=match["name"], email=match["email"]), date
    except (ValueError, OverflowError, OSError):
        return None, datetime.fromtimestamp(0, UTC)
