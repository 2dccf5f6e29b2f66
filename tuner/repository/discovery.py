"""Where a local repository is, whose it is, and what its person has configured."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from tuner.errors import UserError
from tuner.repository.commit import Identity
from tuner.repository.git import Git

__all__ = ["Place", "discover", "user_identity"]


@dataclass(frozen=True, slots=True)
class Place:
    """A local repository. ``top`` is the work tree, or the Git folder where there is none."""

    top: Path
    git_dir: Path
    work_tree: Path | None


def discover(folder: Path) -> Place:
    """The repository that a folder is in.

    UserError where there is none, or where it belongs to another user: its configuration could then be a trap. Who
    trusts it says so to git itself (``safe.directory`` in the own or the system's configuration), which is honoured.
    """
    if not folder.is_dir():
        raise UserError.of(f"{folder} is not a folder", "name a Git repository")
    try:
        return _look(Git(folder.absolute()))
    except UserError as error:
        if "another user" not in str(error):
            raise UserError.of(
                f"{folder} is not a Git repository", "run `git init` there, or check the path"
            ) from error
        trusted = _user_settings("safe.directory")
        if not trusted:
            raise
        with tempfile.TemporaryDirectory(prefix="tuner-git-") as scratch:
            config = Path(scratch) / "config"
            for value in trusted:
                Git(folder.absolute()).run("config", "--file", str(config), "--add", "safe.directory", value)
            return _look(Git(folder.absolute(), environment={"GIT_CONFIG_GLOBAL": str(config)}))


def user_identity(git: Git) -> Identity | None:
    """``user.name`` and ``user.email`` of the repository or else of the person; None where one is missing."""
    found = {}
    for name in ("user.name", "user.email"):
        own = git.run("config", "--get", name, accept=(0, 1)).text
        found[name] = own or next(reversed(_user_settings(name)), "")
    try:
        return Identity(name=found["user.name"], email=found["user.email"])
    except ValidationError:
        return None


def _look(git: Git) -> Place:
    git_dir, inside = git.run("rev-parse", "--absolute-git-dir", "--is-inside-work-tree").text.splitlines()
    if inside != "true":
        return Place(Path(git_dir), Path(git_dir), None)
    top = Path(git.run("rev-parse", "--show-toplevel").text)
    return Place(top, Path(git_dir), top)


def _user_settings(name: str) -> list[str]:
    """All values in the system's and the person's configuration, which every other call leaves out."""
    home = Path.home()
    own = os.environ.get("GIT_CONFIG_GLOBAL")
    places = [Path(own)] if own else [Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "git" / "config"]
    places += [] if own else [home / ".gitconfig"]
    found = []
    for place in (Path("/etc/gitconfig"), *places):
        if place.is_file():
            options = ("--file", str(place), "--includes", "--get-all", name)
            found += Git(Path("/")).run("config", *options, accept=(0, 1)).text.splitlines()
    return found
