"""New YAML, written so that YAML 1.1 and 1.2 readers agree on it (Kubernetes reads ``yes`` and ``1e3`` as no text)."""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["block", "double_quoted", "flow"]

_WORD = re.compile(r"(?:[A-Za-z_/]|--?[A-Za-z])[A-Za-z0-9_./@%+=-]*|[0-9]+(?:m|[KMGTPE]i?)")
_AMBIGUOUS = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null"])
_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff]")


def double_quoted(text: str) -> str:
    """The text in double quotes; JSON's escapes are YAML's."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))


def flow(value: Any) -> str:
    """One line for any value; text is quoted wherever a reader could take it for something else."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(key)}: {flow(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(entry) for entry in value) + "]"
    if isinstance(value, str):
        return value if _WORD.fullmatch(value) and value.lower() not in _AMBIGUOUS else double_quoted(value)
    return json.dumps(value)


def block(value: Any, indent: int) -> list[str]:
    """Block lines for a mapping or list, each indented by ``indent``; empty collections and scalars as ``flow``."""
    margin = " " * indent
    lines: list[str] = []
    if isinstance(value, dict):
        for key, entry in value.items():
            if isinstance(entry, (dict, list)) and entry:
                lines += [f"{margin}{flow(key)}:", *block(entry, indent + 2)]
            else:
                lines.append(f"{margin}{flow(key)}: {flow(entry)}")
        return lines
    for entry in value:
        inner = block(entry, indent + 2) if isinstance(entry, (dict, list)) and entry else [f"{margin}  {flow(entry)}"]
        lines += [f"{margin}- {inner[0].lstrip(' ')}", *inner[1:]]
    return lines
