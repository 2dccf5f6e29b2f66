"""One edit of YAML text: a value set, an entry added or taken away, everything else left as it is, byte for byte.

Each function gives the new text. None of them is trusted: ``tuner.manifest.change`` reads the result again and
compares it with what was meant.
"""

from __future__ import annotations

import re
from typing import Any

from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

from tuner.manifest.emit import block, double_quoted, flow
from tuner.manifest.tree import Path, Tree

__all__ = ["CannotSplice", "append", "delete", "put", "replace"]

_HEADER = re.compile(r"[|>][-+0-9]*(?P<comment>[ \t]+#[^\r\n]*)?[ \t]*\r?\n")


class CannotSplice(ValueError):  # noqa: N818  (a reason, turned into a UserError with its place)
    """YAML written in a way that cannot be edited in place."""


def replace(tree: Tree, document: int, path: Path, value: Any) -> str:
    """The text with another value for what stands at ``path``."""
    node = tree.find(document, path)
    if node is None:
        raise CannotSplice("there is nothing to replace")
    start, end = node.start_mark.index, node.end_mark.index
    if isinstance(node, ScalarNode):
        if node.style in ("|", ">") and isinstance(value, str):
            return _cut(tree.text, start, end, _literal(tree.text[start:end], value, _column(tree, document, path)))
        if node.style in ("|", ">"):
            end = start + len(tree.text[start:end].rstrip("\r\n"))
        if start == end:
            key = tree.key(document, path)
            if key is None:
                raise CannotSplice("an empty list item cannot be filled in place")
            start = end = tree.text.index(":", key.end_mark.index) + 1
            return _cut(tree.text, start, end, f" {flow(value)}")
        return _cut(tree.text, start, end, _scalar(value, node.style))
    return _cut(tree.text, start, _end(tree.text, node), flow(value))


def put(tree: Tree, document: int, path: Path, value: Any, *, first: bool = False) -> str:
    """The text with a new entry in the mapping at ``path[:-1]``, behind its last entry or before its first."""
    parent = tree.find(document, path[:-1])
    key = str(path[-1])
    if not isinstance(parent, MappingNode):
        raise CannotSplice("there is no mapping to add to")
    if not parent.value or parent.flow_style:
        return _extend_flow(tree.text, parent, f"{flow(key)}: {flow(value)}", bool(parent.value))
    indent = parent.value[0][0].start_mark.column
    lines = block({key: value}, indent)
    if first:
        at = parent.value[0][0].start_mark.index
        return _cut(tree.text, at, at, _joined(tree.text, lines).lstrip(" ") + _newline(tree.text) + " " * indent)
    at = _end(tree.text, parent.value[-1][1])
    return _add_lines(tree.text, at, lines)


def append(tree: Tree, document: int, path: Path, index: int, value: Any) -> str:
    """The text with a new item in the list at ``path``, so that it stands at ``index``."""
    parent = tree.find(document, path)
    if not isinstance(parent, SequenceNode):
        raise CannotSplice("there is no list to add to")
    if not parent.value or parent.flow_style:
        if index < len(parent.value):
            at = parent.value[index].start_mark.index
            return _cut(tree.text, at, at, f"{flow(value)}, ")
        return _extend_flow(tree.text, parent, flow(value), bool(parent.value))
    dash = _dash(tree.text, parent.value[0])
    lines = block([value], dash - _line_start(tree.text, dash))
    if index == 0:
        return _cut(
            tree.text, _line_start(tree.text, dash), _line_start(tree.text, dash), _joined(tree.text, lines) + "\n"
        )
    return _add_lines(tree.text, _end(tree.text, parent.value[index - 1]), lines)


def delete(tree: Tree, document: int, path: Path) -> str:
    """The text without the entry or item at ``path``; a collection that would be empty becomes ``{}`` or ``[]``."""
    parent, node = tree.find(document, path[:-1]), tree.find(document, path)
    if parent is None or node is None:
        raise CannotSplice("there is nothing to take away")
    if len(parent.value) == 1:
        empty = "{}" if isinstance(parent, MappingNode) else "[]"
        return _cut(tree.text, parent.start_mark.index, _end(tree.text, parent), empty)
    key = tree.key(document, path) if isinstance(parent, MappingNode) else None
    start = (key or node).start_mark.index
    end = _end(tree.text, node) if node.start_mark.index != node.end_mark.index else tree.text.index(":", start) + 1
    if isinstance(parent, CollectionNode) and parent.flow_style:
        return _shrink_flow(tree.text, start, end)
    if key is None:
        start = _dash(tree.text, node)
    if tree.text[_line_start(tree.text, start) : start].strip():
        return _delete_first(tree, parent, path)
    line_end = tree.text.find("\n", end)
    return _cut(tree.text, _line_start(tree.text, start), len(tree.text) if line_end < 0 else line_end + 1, "")


def _delete_first(tree: Tree, parent: Node, path: Path) -> str:
    """The first entry of a mapping that begins behind a dash: the second one takes its place."""
    if not isinstance(parent, MappingNode) or parent.value[0][0].value != path[-1]:
        raise CannotSplice("the entry shares its line with something else")
    return _cut(tree.text, parent.value[0][0].start_mark.index, parent.value[1][0].start_mark.index, "")


def _cut(text: str, start: int, end: int, new: str) -> str:
    return f"{text[:start]}{new}{text[end:]}"


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _joined(text: str, lines: list[str]) -> str:
    return _newline(text).join(lines)


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _end(text: str, node: Node) -> int:
    """Where the node's content ends: before the blank lines and comments that a block's own mark takes in."""
    if isinstance(node, ScalarNode):
        if node.style in ("|", ">"):
            return int(node.start_mark.index) + len(text[node.start_mark.index : node.end_mark.index].rstrip())
        return int(node.end_mark.index)
    if not isinstance(node, CollectionNode) or node.flow_style or not node.value:
        return int(node.end_mark.index)
    last = node.value[-1]
    value = last[1] if isinstance(node, MappingNode) else last
    if value.start_mark.index == value.end_mark.index and isinstance(node, MappingNode):
        return text.index(":", last[0].end_mark.index) + 1
    return _end(text, value)


def _add_lines(text: str, at: int, lines: list[str]) -> str:
    """Whole lines behind the line that holds ``at``."""
    line_end = text.find("\n", at)
    if line_end < 0:
        return f"{text}{_newline(text)}{_joined(text, lines)}"
    return _cut(text, line_end + 1, line_end + 1, _joined(text, lines) + _newline(text))


def _dash(text: str, item: Node) -> int:
    """The offset of the dash in front of a block list's item."""
    at = text.rfind("-", 0, item.start_mark.index)
    if at < 0 or text[at + 1 : item.start_mark.index].strip() or text[_line_start(text, at) : at].strip():
        raise CannotSplice("the list begins on the line of something else")
    return at


def _column(tree: Tree, document: int, path: Path) -> int:
    """How far a block scalar at ``path`` has to be indented at least."""
    key = tree.key(document, path)
    if key is None:
        raise CannotSplice("a text block in a list cannot be edited in place")
    return int(key.start_mark.column)


def _literal(old: str, value: str, column: int) -> str:
    """A literal block with the old one's indentation, header comment and trailing blank lines.

    Text that ends in blanks or holds control characters has no sound literal block: it becomes quoted.
    """
    header = _HEADER.match(old)
    if header is None:
        raise CannotSplice("the text block has an unusual header")
    newline = _newline(old)
    last = value.rstrip("\n").rpartition("\n")[2]
    if not last.strip() or not value.replace("\n", "").isprintable():
        return f"{double_quoted(value)}{header['comment'] or ''}{newline}"
    body = old[header.end() :]
    first = next((line for line in body.splitlines() if line.strip()), "")
    indent = " " * (len(first) - len(first.lstrip(" ")) or column + 2)
    chomp = "-" if not value.endswith("\n") else "+" if value.endswith("\n\n") else ""
    spaced = value.lstrip("\n").startswith(" ")
    indicator = str(len(indent) - column) if spaced else ""
    lines = (value.removesuffix("\n") if chomp != "-" else value).split("\n")
    written = newline.join(indent + line if line else line for line in lines)
    trailing = newline * (body[len(body.rstrip()) :].count("\n") if chomp != "+" else 1)
    return f"|{indicator}{chomp}{header['comment'] or ''}{newline}{written}{trailing or newline}"


def _scalar(value: Any, style: str | None) -> str:
    """A scalar in the quotes that stood there; without any, as plain as the value allows."""
    text = value if isinstance(value, str) else flow(value)
    if style == "'" and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return double_quoted(text) if style in ('"', "'") else flow(value)


def _extend_flow(text: str, parent: Node, entry: str, follows: bool) -> str:  # noqa: FBT001
    """A flow collection with one more entry at its end."""
    end = int(parent.end_mark.index) - 1
    content = text[int(parent.start_mark.index) + 1 : end]
    if not follows:
        return _cut(text, end - len(content), end, entry)
    at = end - (len(content) - len(content.rstrip()))
    comma = " " if content.rstrip().endswith(",") else ", "
    return _cut(text, at, at, f"{comma}{entry}")


def _shrink_flow(text: str, start: int, end: int) -> str:
    """A flow collection without one entry and one of the commas beside it."""
    behind = re.match(r"\s*,\s*", text[end:])
    if behind:
        return _cut(text, start, end + behind.end(), "")
    before = re.search(r"\s*,\s*$", text[:start])
    return _cut(text, before.start() if before else start, end, "")
