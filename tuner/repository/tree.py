"""Folders as Git stores them, read and written one at a time: the work is that of the change, not of the repository."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial

from tuner.errors import UserError
from tuner.repository.git import Git
from tuner.repository.path import checked, shown

__all__ = [
    "FOLDER",
    "REGULAR",
    "Node",
    "changed_files",
    "edit_tree",
    "kind_of",
    "read_tree",
    "write_blob",
    "write_tree",
]

FOLDER = "040000"
REGULAR = ("100644", "100755")
_KINDS = {FOLDER: "a folder", "120000": "a symbolic link", "160000": "a submodule"}
_TYPES = {FOLDER: "tree", "160000": "commit"}
_LISTING = 16 << 20
_MOST_FOLDERS = 5_000


@dataclass(frozen=True, slots=True)
class Node:
    """What a name in a folder stands for."""

    mode: str
    sha: str

    @property
    def regular(self) -> bool:
        """Whether it is a plain file, executable or not."""
        return self.mode in REGULAR


def kind_of(mode: str) -> str:
    """What a mode stands for, for a message."""
    return "a file" if mode in REGULAR else _KINDS.get(mode, f"of the unknown mode {mode}")


def read_tree(git: Git, tree: str) -> dict[str, Node]:
    """What is in one folder, by name (bytes that are not UTF-8 as surrogates)."""
    found = {}
    for line in git.listing("ls-tree", "-z", "--full-tree", tree, limit=_LISTING).split(b"\0"):
        if line:
            head, _, name = line.partition(b"\t")
            mode, _, sha = head.decode("ascii").split()
            found[name.decode(errors="surrogateescape")] = Node(mode, sha)
    return found


def write_tree(git: Git, nodes: Mapping[str, Node]) -> str:
    """SHA of the folder; it is stored."""
    lines = [f"{node.mode} {_TYPES.get(node.mode, 'blob')} {node.sha}\t{name}\0" for name, node in nodes.items()]
    return git.run("mktree", "-z", stdin="".join(lines).encode(errors="surrogateescape")).text


def write_blob(git: Git, content: bytes) -> str:
    """SHA of the bytes as they are, through no filter; they are stored."""
    return git.run("hash-object", "-w", "-t", "blob", "--no-filters", "--stdin", stdin=content).text


def changed_files(git: Git, old: str, new: str) -> list[str]:
    """Paths of what differs between two trees, folders themselves left out; a rename is a deletion and an addition.

    Only folders that differ are looked into (``git diff-tree`` would hold a whole crafted tree in memory first).
    UserError where those are over 5,000.
    """
    found: list[str] = []
    waiting: list[tuple[str, Node | None, Node | None]] = [("", Node(FOLDER, old), Node(FOLDER, new))]
    seen = 0
    read = cache(partial(read_tree, git))
    while waiting:
        path, before, after = waiting.pop()
        seen += 1
        if seen > _MOST_FOLDERS:
            raise UserError.of(f"the two commits differ in over {_MOST_FOLDERS:,} folders")
        left, right = (read(node.sha) if node and node.mode == FOLDER else {} for node in (before, after))
        for name in left.keys() | right.keys():
            one, other = left.get(name), right.get(name)
            if one == other:
                continue
            if any(node and node.mode != FOLDER for node in (one, other)):
                found.append(f"{path}{name}")
            if any(node and node.mode == FOLDER for node in (one, other)):
                waiting.append((f"{path}{name}/", one, other))
    return sorted(found)


def edit_tree(git: Git, tree: str | None, changes: Mapping[str, bytes | None]) -> str:
    """SHA of the tree with the changes; None deletes a file, which need not exist; an empty folder goes.

    A file that exists keeps its mode, a new one is not executable. UserError for a path that may not be written:
    ``checked`` refuses it, or a link, a submodule or a folder is there, or a file is where it needs a folder.
    """
    for path in changes:
        checked(path)
    nodes = _edited(git, tree, changes, above="")
    return write_tree(git, nodes)


def _edited(git: Git, tree: str | None, changes: Mapping[str, bytes | None], *, above: str) -> dict[str, Node]:
    nodes = read_tree(git, tree) if tree else {}
    deeper: dict[str, dict[str, bytes | None]] = defaultdict(dict)
    for path, content in changes.items():
        name, _, rest = path.partition("/")
        if rest:
            deeper[name][rest] = content
            continue
        _edit_file(git, nodes, name, content, above=above)
    for name, below in deeper.items():
        node = nodes.get(name)
        if name in changes:
            raise UserError.of(f"{shown(above + name)} is to be both a file and a folder")
        if node is not None and node.mode != FOLDER:
            raise UserError.of(f"{shown(above + name)} is {kind_of(node.mode)}", "tuner cannot write below it")
        inner = _edited(git, node.sha if node else None, below, above=f"{above}{name}/")
        if inner:
            nodes[name] = Node(FOLDER, write_tree(git, inner))
        else:
            nodes.pop(name, None)
    return nodes


def _edit_file(git: Git, nodes: dict[str, Node], name: str, content: bytes | None, *, above: str) -> None:
    node = nodes.get(name)
    if node is not None and not node.regular:
        raise UserError.of(f"{shown(above + name)} is {kind_of(node.mode)}", "tuner only writes plain files")
    if content is None:
        nodes.pop(name, None)
    else:
        nodes[name] = Node(node.mode if node else REGULAR[0], write_blob(git, content))
