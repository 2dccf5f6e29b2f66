"""Branches that somebody has checked out: never moved under their feet, and no uncommitted work is ever lost."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tuner.errors import PermanentError, TunerError, UserError
from tuner.repository.git import Git
from tuner.repository.path import shown
from tuner.repository.reference import RefUpdate
from tuner.repository.tree import changed_files

__all__ = ["checked_out", "move_files", "refuse_checked_out"]


def checked_out(git: Git) -> Mapping[str, Path]:
    """Where each checked-out branch (full name) is checked out; the repository's own and its linked work trees."""
    found: dict[str, Path] = {}
    place, bare = Path(), False
    for line in git.run("worktree", "list", "--porcelain").text.splitlines():
        key, _, value = line.partition(" ")
        if key == "worktree":
            place, bare = Path(value), False
        elif key == "bare":
            bare = True
        elif key == "branch" and not bare:
            found[value] = place
    return found


def refuse_checked_out(git: Git, updates: Sequence[RefUpdate]) -> None:
    """UserError where an update would move a branch that is checked out: its files would no longer match."""
    branches = [update for update in updates if update.ref.startswith("refs/heads/") and update.new != update.old]
    taken = checked_out(git) if branches else {}
    for update in branches:
        place = taken.get(update.ref)
        if place is not None:
            branch = update.ref.removeprefix("refs/heads/")
            raise UserError.of(
                f"the branch {branch} is checked out in {place}", "switch to another branch there and run again"
            )


def move_files(git: Git, place: Path, old: str, new: str) -> None:
    """Take a work tree from one commit to the next as a fast-forward would: changed files are replaced, no other.

    Git refuses before it writes anything where a changed file has uncommitted changes or an untracked file is in the
    way: UserError. Files that pass through a filter program (git-lfs) are refused too: tuner does not run programs
    that a repository's configuration names.
    """
    raw = b"".join(os.fsencode(path) + b"\0" for path in changed_files(git, old, new))
    here = {"GIT_WORK_TREE": str(place), **_without_filters(git)}
    with tempfile.TemporaryDirectory(prefix="tuner-index-") as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index"), **here}
        git.run("read-tree", new, environment=index)
        filtered = _filtered(git, raw, index, "--cached") + _filtered(git, raw, here)
    if filtered:
        raise UserError.of(f"{shown(filtered[0])} passes through a filter program in {place}", "merge there by hand")
    try:
        git.run("read-tree", "-m", "-u", old, new, environment=here)
    except PermanentError as error:
        if "read-tree failed" not in str(error):
            raise
        raise _in_the_way(place, error) from error


def _without_filters(git: Git) -> Mapping[str, str]:
    """Settings that empty every filter of the repository: git runs them even to see whether a file has changed."""
    raw = git.run("config", "--null", "--name-only", "--get-regexp", r"^filter\.", accept=(0, 1)).stdout
    keys = [key.decode(errors="surrogateescape") for key in raw.split(b"\0") if key]
    settings = [(key, "false" if key.endswith(".required") else "") for key in keys]
    pairs = [(f"GIT_CONFIG_KEY_{n}", key) for n, (key, _) in enumerate(settings)]
    pairs += [(f"GIT_CONFIG_VALUE_{n}", value) for n, (_, value) in enumerate(settings)]
    return {"GIT_CONFIG_COUNT": str(len(settings)), **dict(pairs)}


def _filtered(git: Git, paths: bytes, environment: Mapping[str, str], *options: str) -> list[str]:
    answer = git.run("check-attr", *options, "-z", "--stdin", "filter", stdin=paths, environment=environment)
    fields = answer.stdout.split(b"\0")
    triples = zip(fields[::3], fields[1::3], fields[2::3], strict=False)
    return [os.fsdecode(path) for path, _, value in triples if value not in (b"unspecified", b"unset")]


def _in_the_way(place: Path, error: TunerError) -> UserError:
    said = str(error).partition("read-tree failed: ")[2].removeprefix("error: ")
    return UserError.of(f"uncommitted work in {place} is in the way: {said}", "commit or stash it there and run again")
