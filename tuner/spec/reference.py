"""The reference ``docs/spec.md``, written from the models.

``python -m tuner.spec.reference configs/examples/good/tuning-complete.yaml > docs/spec.md`` brings it up to date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tuner.spec.document import MAX_BYTES, MAX_DEPTH, read_document
from tuner.spec.schema import json_schema

__all__ = ["reference"]

_INTRODUCTION = f"""\
# The tuning spec

This page is generated from the models in `tuner/spec`; `tuner schema` prints the same as a JSON Schema.

A spec is one YAML document in a file named `tuning*.yaml` beside the service's manifest. It is read as YAML 1.2. A word
that YAML 1.1 reads differently (`no`, `on`, `12:30`, `010`) has to be quoted or written plainly. Not allowed: unknown
and duplicate keys, keys without a value, anchors, aliases, merge keys, tags, more than {MAX_DEPTH} levels, more than \
{MAX_BYTES // 1024} KiB.

Quantities carry their unit: durations `50ms`, `2s`, `1h30m` (units us, ms, s, m, h, d); shares `0.1%`; rates `300/s`
(per s, m or h); money `20 USD`; CPU `2` or `500m`; memory `512Mi` or `16Gi`. Paths are relative to the folder of the
spec and stay below it.
"""


def reference(example: bytes) -> str:
    """The page, as Markdown. ``example`` is a spec that has every section; each section shows its part of it."""
    schema = json_schema()
    definitions: Mapping[str, Any] = schema["$defs"]
    parts = _parts(example)
    lines = [_INTRODUCTION, "## The file", "", *_table(schema, definitions), ""]
    shown: set[str] = set()
    for key, node in schema["properties"].items():
        names = [name for name in _named(node) if name not in shown]
        if not names and key not in parts:
            continue
        lines += [f"## `{key}`", "", *([] if names else [node["description"], ""])]
        for name in _with_nested(names, definitions, shown):
            if name not in names[:1]:
                lines += [f"### {name}", ""]
            lines += [definitions[name].get("description", ""), "", *_table(definitions[name], definitions), ""]
        if key in parts:
            lines += ["```yaml", *parts[key], "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def _parts(example: bytes) -> dict[str, list[str]]:
    """The lines of the example by top-level key, comments above a key included."""
    document = read_document(example, "example")
    lines = example.decode().splitlines()
    starts = {str(path[0]): place.line - 1 for path, place in document.keys.items() if len(path) == 1}
    parts: dict[str, list[str]] = {}
    ends = [*sorted(starts.values())[1:], len(lines)]
    for (key, start), end in zip(sorted(starts.items(), key=lambda item: item[1]), ends, strict=True):
        part = lines[start:end]
        while part and (not part[-1].strip() or part[-1].startswith("#")):
            part.pop()
        parts[key] = part
    return parts


def _named(node: Any) -> Iterator[str]:
    """The sections that a schema node refers to."""
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"].rpartition("/")[2]
        for value in node.values():
            yield from _named(value)
    elif isinstance(node, list):
        for value in node:
            yield from _named(value)


def _with_nested(names: list[str], definitions: Mapping[str, Any], shown: set[str]) -> Iterator[str]:
    for name in names:
        if name not in shown:
            shown.add(name)
            yield name
            yield from _with_nested(list(_named(definitions[name])), definitions, shown)


def _table(section: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[str]:
    required = section.get("required", [])
    yield "| Key | Type | Default | Meaning |"
    yield "|---|---|---|---|"
    for key, node in section["properties"].items():
        default = "required" if key in required else _default(node)
        meaning = node.get("description") or definitions[next(_named(node))]["description"]
        yield f"| `{key}` | {_kind(node)} | {default} | {meaning} |"


def _default(node: Mapping[str, Any]) -> str:
    if "default" not in node or node["default"] in ("", [], {}):
        return ""
    value = node["default"]
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _kind(node: Mapping[str, Any]) -> str:
    """The type in words."""
    if "$ref" in node:
        return str(node["$ref"]).rpartition("/")[2]
    if "const" in node:
        return f"`{node['const']}`"
    if "enum" in node:
        return ", ".join(f"`{choice}`" for choice in node["enum"])
    if "anyOf" in node:
        return " or ".join(_kind(choice) for choice in node["anyOf"] if choice.get("type") != "null")
    if node.get("type") == "array":
        return f"list of {_kind(node['items'])}"
    if node.get("type") == "object":
        values = [*node.get("patternProperties", {}).values(), node.get("additionalProperties")]
        return f"mapping to {_kind(values[0])}"
    return _scalar(node)


def _scalar(node: Mapping[str, Any]) -> str:
    names = {"string": "text", "number": "number", "integer": "whole number", "boolean": "true or false"}
    kinds = node.get("type", [])
    words = ["value"] if isinstance(kinds, list) else [names.get(kinds, kinds)]
    if examples := node.get("examples"):
        words.append(f"such as {', '.join(f'`{example}`' for example in examples)}")
    bounds = (("minimum", "at least"), ("exclusiveMinimum", "above"), ("maximum", "at most"))
    limits = [f"{word} {node[key]:g}" for key, word in bounds if abs(node.get(key, 1e9)) < 1e6]
    return " ".join(words) + (f", {', '.join(limits)}" if limits else "")


if __name__ == "__main__":
    sys.stdout.write(reference(Path(sys.argv[1]).read_bytes()))
