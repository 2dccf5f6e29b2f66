"""YAML text as trees of nodes that know their place, so that an edit can touch one node and nothing else.

ruamel.yaml composes the nodes; anchors, tags and comments stay where they are in the text.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from tuner.errors import Problem, UserError
from tuner.spec.document import refuse_unprintable

__all__ = ["MOST_CHARACTERS", "Path", "Tree"]

Path = tuple[str | int, ...]
MOST_CHARACTERS = 1 << 18
"""Of a file: ruamel.yaml needs two seconds for as many."""
_MOST_LINES = 20_000
_MOST_NODES = 100_000
"""Aliases followed."""
_MOST_WRITTEN = 20_000
_SHORT = 1 << 16
_DEEPEST = 64


@dataclass(frozen=True, slots=True)
class Tree:
    """Every document of one file. ``documents`` are ruamel.yaml nodes; offsets count characters of ``text``."""

    file: str
    text: str
    documents: tuple[Node, ...]

    @classmethod
    @functools.lru_cache(maxsize=32)
    def parse(cls, text: str, file: str) -> Tree:
        """UserError, with the place, where the text is not YAML or is larger or deeper than a manifest.

        Nodes are never changed, so the same text gives the same tree.
        """
        refuse_unprintable(text, file)
        beforehand = _too_much(text, file)
        try:
            composed = YAML(typ="rt", pure=True).compose_all(text)
            return cls(file, text, tuple(node for node in composed if node is not None))
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            what = " ".join(part for part in (error.context, error.problem) if part)
            raise UserError(Problem(f"not YAML: {what}", "correct the syntax", file, *place)) from error
        except (YAMLError, ValueError, OverflowError, RecursionError) as error:  # an escape beyond Unicode, for example
            known = beforehand or Problem("the YAML cannot be read", "write it more plainly", file, 1, 1)
            raise UserError(known) from error

    def find(self, document: int, path: Path) -> Node | None:
        """The node at a path, ``None`` where there is none."""
        node: Node | None = self.documents[document]
        for step in path:
            if isinstance(node, MappingNode):
                node = next((value for key, value in node.value if key.value == step), None)
            elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
            else:
                return None
        return node

    def key(self, document: int, path: Path) -> Node | None:
        """The key node of the mapping entry at a path."""
        parent = self.find(document, path[:-1])
        if not isinstance(parent, MappingNode):
            return None
        return next((key for key, _ in parent.value if key.value == path[-1]), None)

    def data(self, document: int) -> Any:
        """The document as plain dicts, lists and scalars; UserError for a duplicate key or an alias bomb."""
        return self._plain(self.documents[document], iter(range(_MOST_NODES)), 0)

    def problem(self, node: Node | None, what: str, fix: str) -> UserError:
        """The error for one node; for the file's first line where there is no node."""
        if node is None:
            return UserError(Problem(what, fix, self.file, 1, 1))
        return UserError(Problem(what, fix, self.file, node.start_mark.line + 1, node.start_mark.column + 1))

    def _plain(self, node: Node, allowance: Iterator[int], depth: int) -> Any:
        if next(allowance, None) is None or depth > _DEEPEST:
            raise self.problem(node, "the YAML is too large or nested too deep here", "write it out more plainly")
        if isinstance(node, SequenceNode):
            return [self._plain(child, allowance, depth + 1) for child in node.value]
        if isinstance(node, MappingNode):
            found: dict[str, Any] = {}
            for key, value in node.value:
                if not isinstance(key, ScalarNode):
                    raise self.problem(key, "a key has to be a scalar", "write it as a word")
                if key.value in found:
                    raise self.problem(key, f"the key {key.value!r} stands here twice", "keep one of them")
                found[key.value] = self._plain(value, allowance, depth + 1)
            return found
        return _scalar(node)


def _too_much(text: str, file: str) -> Problem | None:
    """Refuse what ruamel.yaml, which is slow and recursive, would need long for: UserError. A quick look by libyaml.

    Returns where libyaml stopped, if it did. A short text is left to ruamel.yaml then, which explains itself better.
    """
    if len(text) > MOST_CHARACTERS:
        what = f"the file has {len(text)} characters"
        raise UserError(Problem(what, f"keep it below {MOST_CHARACTERS}", file, 1, 1))
    if text.count("\n") + text.count("\r") > _MOST_LINES:
        raise UserError(Problem(f"the file has more than {_MOST_LINES} lines", "split it", file, _MOST_LINES, 1))
    _refuse_brackets(text, file)
    nodes = depth = 0
    try:
        event: Any
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            nodes += isinstance(event, yaml.NodeEvent)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if nodes > _MOST_WRITTEN or depth > _DEEPEST:
                place = (event.start_mark.line + 1, event.start_mark.column + 1)
                raise UserError(Problem("the YAML is too large or nested too deep here", "flatten it", file, *place))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        found = Problem(f"not YAML: {error.problem}", "correct the syntax", file, *place)
        if len(text) > _SHORT:
            raise UserError(found) from error
        return found
    return None


def _refuse_brackets(text: str, file: str) -> None:
    """Brackets beyond any manifest's depth: where libyaml stops, a recursive parser would go on."""
    depth = 0
    for line, content in enumerate(text.splitlines(), 1):
        depth += sum(content.count(sign) for sign in "[{") - sum(content.count(sign) for sign in "]}")
        if max(depth, content.count("- - "), content.count("? ? ")) > _DEEPEST:
            raise UserError(Problem("the YAML is nested too deep", "flatten it", file, line, 1))


def _scalar(node: Node) -> Any:
    """What a scalar stands for: str, bool, int, float or ``None``; any other tag stays text with its tag."""
    tag = str(node.tag).rpartition(":")[2]
    raw = str(node.value)
    try:
        if tag == "int":
            return int(raw.replace("_", ""), 0)
        if tag == "float":
            value = float(raw.replace("_", ""))
            return value if math.isfinite(value) else raw
    except ValueError:
        return raw
    if tag == "bool":
        return raw.lower() == "true"
    if tag == "null":
        return None
    return raw if tag == "str" else f"{node.tag} {raw}"
