"""A three-way merge built from objects: no work tree and no merge driver, so nothing of the repository's runs.

``git merge-tree --write-tree`` needs git 2.38 and runs the drivers that a repository configures; this does neither.
Renames are not followed: a file changed here and renamed there is a conflict for a person. So is a file that both sides
added with different contents, and a name that is a file on one side and was a folder.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from tuner.repository.git import Git
from tuner.repository.path import shown
from tuner.repository.tree import FOLDER, Node, read_tree, write_blob, write_tree

__all__ = ["Conflict", "merge_commits"]

_BINARY = 255
_MOST_CONFLICTS = 127


@dataclass(frozen=True, slots=True)
class Conflict:
    """Why the two sides cannot be merged without a person."""

    reason: str
    paths: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.reason}{': ' if self.paths else ''}{', '.join(map(shown, self.paths[:5]))}"


def merge_commits(git: Git, ours: str, theirs: str) -> str | Conflict:
    """SHA of the tree that has the changes of both commits since their common ancestor, or the conflict."""
    bases = git.run("merge-base", "--all", ours, theirs, accept=(0, 1)).text.split()
    if len(bases) != 1:
        return Conflict(
            "the branches have no common history" if not bases else "the branches crossed each other before"
        )
    conflicts: list[str] = []
    base, left, right = (Node(FOLDER, git.run("rev-parse", f"{sha}^{{tree}}").text) for sha in (bases[0], ours, theirs))
    merged = _merge(git, base, left, right, path="", conflicts=conflicts)
    if conflicts or merged is None:
        return Conflict("both sides changed", tuple(sorted(conflicts)))
    return merged.sha


def _merge(
    git: Git, base: Node | None, ours: Node | None, theirs: Node | None, *, path: str, conflicts: list[str]
) -> Node | None:
    """One name on three sides, None where it is not there; what only one side changed is as that side has it."""
    if ours == theirs or theirs == base:
        return ours
    if ours == base:
        return theirs
    if all(node is None or node.mode == FOLDER for node in (ours, theirs)):
        return _merge_folders(git, base if base and base.mode == FOLDER else None, ours, theirs, path, conflicts)
    merged = _merge_files(git, base, ours, theirs) if base and ours and theirs else None
    if merged is None:
        conflicts.append(path)
    return merged


def _merge_folders(
    git: Git, base: Node | None, ours: Node | None, theirs: Node | None, path: str, conflicts: list[str]
) -> Node | None:
    """A folder that is not there on a side is empty there; one that ends empty goes."""
    before, left, right = (read_tree(git, node.sha) if node else {} for node in (base, ours, theirs))
    prefix = f"{path}/" if path else ""
    merged = {
        name: _merge(
            git, before.get(name), left.get(name), right.get(name), path=f"{prefix}{name}", conflicts=conflicts
        )
        for name in sorted(before.keys() | left.keys() | right.keys())
    }
    nodes = {name: node for name, node in merged.items() if node is not None}
    if conflicts or (path and not nodes):
        return None
    return Node(FOLDER, write_tree(git, nodes))


def _merge_files(git: Git, base: Node, ours: Node, theirs: Node) -> Node | None:
    """The merged file; None where a person has to decide."""
    if not (base.regular and ours.regular and theirs.regular):
        return None
    mode = theirs.mode if ours.mode == base.mode else ours.mode
    if ours.sha == theirs.sha or theirs.sha == base.sha:
        return Node(mode, ours.sha)
    if ours.sha == base.sha:
        return Node(mode, theirs.sha)
    with tempfile.TemporaryDirectory(prefix="tuner-merge-") as folder:
        names = []
        for name, node in (("ours", ours), ("base", base), ("theirs", theirs)):
            place = Path(folder) / name
            place.write_bytes(git.run("cat-file", "blob", node.sha).stdout)
            names.append(str(place))
        accepted = (*range(_MOST_CONFLICTS + 1), _BINARY)
        answer = git.run("merge-file", "-p", "-q", *names, accept=accepted)
    return Node(mode, write_blob(git, answer.stdout)) if answer.status == 0 else None
