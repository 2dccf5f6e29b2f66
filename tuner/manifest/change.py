"""Edits of manifests as values, each carried out on the text and, independently, on its data; both must agree."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tuner.errors import UserError
from tuner.manifest import splice
from tuner.manifest.tree import Path, Tree
from tuner.value import canonical_json

__all__ = ["Edit", "changed"]

_UNUSUAL = "an anchor or unusual syntax would make it change more than this"


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit of one document: ``set`` an entry, ``insert`` an item before ``path[-1]``, ``delete`` either.

    ``first`` puts a new entry before the others of its mapping instead of behind them.
    """

    kind: Literal["set", "insert", "delete"]
    file: str
    document: int
    path: Path
    value: Any = None
    first: bool = False


def changed(texts: Mapping[str, str], edits: Iterable[Edit]) -> dict[str, str]:
    """The texts after the edits. UserError with the place where the YAML is written so that it cannot be edited."""
    found = dict(texts)
    for edit in edits:
        found[edit.file] = _carried_out(Tree.parse(found[edit.file], edit.file), edit)
    return found


def _carried_out(tree: Tree, edit: Edit) -> str:
    intended = [tree.data(index) for index in range(len(tree.documents))]
    _on_data(intended[edit.document], edit)
    try:
        text = _on_text(tree, edit)
    except splice.CannotSplice as error:
        raise _refusal(tree, edit, str(error)) from error
    try:
        after = Tree.parse(text, edit.file)
        same = canonical_json([after.data(index) for index in range(len(after.documents))]) == canonical_json(intended)
    except UserError as error:
        raise _refusal(tree, edit, _UNUSUAL) from error
    if not same:
        raise _refusal(tree, edit, _UNUSUAL)
    return text


def _on_data(document: Any, edit: Edit) -> None:
    parent, last = document, edit.path[-1]
    for step in edit.path[:-1]:
        parent = parent[step]
    if edit.kind == "set":
        parent[last] = copy.deepcopy(edit.value)
    elif edit.kind == "insert":
        parent.insert(last, copy.deepcopy(edit.value))
    else:
        del parent[last]


def _on_text(tree: Tree, edit: Edit) -> str:
    if edit.kind == "delete":
        return splice.delete(tree, edit.document, edit.path)
    if edit.kind == "insert":
        return splice.append(tree, edit.document, edit.path[:-1], int(edit.path[-1]), edit.value)
    if tree.find(edit.document, edit.path) is not None:
        return splice.replace(tree, edit.document, edit.path, edit.value)
    return splice.put(tree, edit.document, edit.path, edit.value, first=edit.first)


def _refusal(tree: Tree, edit: Edit, why: str) -> UserError:
    """The error at the node, or at the nearest one above it that exists."""
    nodes = (tree.find(edit.document, edit.path[:length]) for length in range(len(edit.path), -1, -1))
    node = next(node for node in nodes if node is not None)
    where = ".".join(map(str, edit.path))
    return tree.problem(node, f"{where} cannot be edited in place: {why}", "write this part in plain block style")
