"""Branches and other names of commits, moved only from where they were seen: compare and swap."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tuner.errors import UserError
from tuner.repository.git import Git

__all__ = ["RefUpdate", "branch_ref", "is_sha", "local_refs", "swap_locally"]

_SHA = re.compile(r"^(?:[0-9a-f]{40}|[0-9a-f]{64})$")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|$)|\.$|/$|^/|^\.|^-|^@$")


@dataclass(frozen=True, slots=True)
class RefUpdate:
    """Move ``ref`` from ``old`` to ``new``: None stands for "does not exist"."""

    ref: str
    new: str | None
    old: str | None

    def __post_init__(self) -> None:
        if not self.ref.startswith("refs/") or _FORBIDDEN.search(self.ref):
            raise UserError.of(f"{self.ref!r} is not a valid name for a branch or reference")
        for sha in (self.new, self.old):
            if sha is not None and not is_sha(sha):
                raise ValueError(f"{sha!r} is not a full SHA")


def branch_ref(branch: str) -> str:
    """``refs/heads/…``; UserError where git would not take the name."""
    ref = f"refs/heads/{branch}"
    if not branch or _FORBIDDEN.search(branch):
        raise UserError.of(f"{branch!r} is not a valid branch name")
    return ref


def is_sha(text: str) -> bool:
    """Whether this is a full SHA-1 or SHA-256 in lower case."""
    return _SHA.match(text) is not None


def local_refs(git: Git, prefix: str = "refs/") -> Mapping[str, str]:
    """SHA by full name, of everything below the prefix, which is a whole part of a name."""
    answer = git.run("for-each-ref", "--format=%(objectname) %(refname)", prefix)
    pairs = (line.partition(" ") for line in answer.text.splitlines())
    return {name: sha for sha, _, name in pairs}


def swap_locally(git: Git, updates: Sequence[RefUpdate]) -> None:
    """All updates or none. A reference that is at ``new`` already counts as moved, so that a step can be repeated.

    An update from a commit to itself only makes sure that it is there. ContendedError where another process was first
    or holds a lock.
    """
    lines = [_line(update) for update in updates if update.new == update.old or _current(git, update.ref) != update.new]
    if lines:
        raw = "".join(f"{line}\0" for line in ("start", *lines, "prepare", "commit"))
        git.run("update-ref", "--no-deref", "-m", "tuner", "--stdin", "-z", stdin=raw.encode())


def _current(git: Git, ref: str) -> str | None:
    return local_refs(git, ref).get(ref)


def _line(update: RefUpdate) -> str:
    if update.new == update.old:
        return f"verify {update.ref}\0{update.old or ''}"
    if update.old is None:
        return f"create {update.ref}\0{update.new}"
    if update.new is None:
        return f"delete {update.ref}\0{update.old}"
    return f"update {update.ref}\0{update.new}\0{update.old}"
