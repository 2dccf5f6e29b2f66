"""What the models refused, in sentences that a person understands, at the place in the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tuner.errors import Problem
from tuner.spec.document import Document, Path
from tuner.spec.field import field_at, fields_of, model_at
from tuner.spec.mistake import Mistake, nearest, shown
from tuner.spec.model import TuningSpec

__all__ = ["explain"]

_NEEDED = {
    "string_type": "text",
    "string_sub_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
    "tuple_type": "a list",
    "list_type": "a list",
}
_BOUNDS = {
    "greater_than": ("above", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("below", "lt"),
    "less_than_equal": ("at most", "le"),
}
_SIZES = {
    "too_short": ("has too few entries", "min_length", "name at least"),
    "too_long": ("has too many entries", "max_length", "name at most"),
    "string_too_short": ("is empty", "min_length", "characters needed: at least"),
    "string_too_long": ("is too long", "max_length", "characters allowed: at most"),
}


def explain(error: ValidationError, document: Document, root: type[BaseModel] = TuningSpec) -> Iterator[Problem]:
    """One problem for each place that was refused, in the order of the file's sections; ``root`` is its model."""
    seen: set[tuple[Path, str]] = set()
    for detail in error.errors(include_url=False):
        if _counts_valid_entries_only(detail):
            continue
        path, missing = _path(detail, document)
        what, fix, at, on_key = _sentence(detail, path, missing, root)
        if (path + at, what) not in seen:
            seen.add((path + at, what))
            yield document.problem(path + at, what, fix, key=on_key)


def _counts_valid_entries_only(detail: ErrorDetails) -> bool:
    """Pydantic calls a list too short where its entries are wrong; they are reported themselves."""
    return detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]


def _path(detail: ErrorDetails, document: Document) -> tuple[Path, str]:
    """The path in the document, free of what pydantic adds for unions and keys; and the name of a missing key."""
    path: Path = ()
    for part in detail["loc"]:
        if (*path, part) not in document.values and (*path, part) not in document.keys:
            return path, str(part)
        path = (*path, part)
    return path, ""


def _sentence(detail: ErrorDetails, path: Path, missing: str, root: type[BaseModel]) -> tuple[str, str, Path, bool]:
    """What is wrong, what to do, where below the path, and whether the key rather than the value is meant."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "missing":
        return *_missing(path, missing, root), (), True
    if kind == "extra_forbidden":
        return *_unknown(path, root), (), True
    if isinstance(mistake := context.get("error"), Mistake):
        return mistake.what, mistake.fix, mistake.at, missing == "[key]" or bool(mistake.at and _is_key(mistake, path))
    name = _name(path)
    if kind == "literal_error":
        what, fix = _choice(name, detail["input"], context)
        on_key = missing == "[key]"
        return f"unknown key {shown(detail['input'])}" if on_key else what, fix, (), on_key
    if kind in _NEEDED:
        return f"{name} must be {_NEEDED[kind]}, not {_kind_of(detail['input'])}", _example(path, root), (), False
    return *_limit(name, kind, context, detail), (), missing == "[key]"


def _is_key(mistake: Mistake, path: Path) -> bool:
    """A percentile is a key; every other mistake below a section is about a value."""
    return path[-2:] == ("slo", "latency") and "percentile" in mistake.what


def _missing(path: Path, missing: str, root: type[BaseModel]) -> tuple[str, str]:
    info = field_at((*path, missing), root)
    where = f" in {_name(path)}" if path else ""
    return f"{missing} is missing{where}", f"add it: {_first_sentence(info.description)}" if info else "add it"


def _unknown(path: Path, root: type[BaseModel]) -> tuple[str, str]:
    section = model_at(path[:-1], root)
    known = list(fields_of(section)) if section else []
    near = nearest(str(path[-1]), known)
    return f"unknown key {shown(path[-1])}", f"did you mean {near}?" if near else f"known here: {', '.join(known)}"


def _choice(name: str, given: Any, context: Mapping[str, Any]) -> tuple[str, str]:
    expected = str(context.get("expected", ""))
    options = [option for option in expected.replace(" or ", ", ").replace("'", "").split(", ") if option]
    near = nearest(given, options) if isinstance(given, str) else None
    choice = f"write {' or '.join(options)}" if len(options) < 3 else f"write one of {', '.join(options)}"
    return f"{name} cannot be {shown(given)}", f"did you mean {near}? {choice}" if near and len(options) > 1 else choice


def _limit(name: str, kind: str, context: Mapping[str, Any], detail: ErrorDetails) -> tuple[str, str]:
    if kind in _BOUNDS:
        word, key = _BOUNDS[kind]
        return f"{name} is {shown(detail['input'])}", f"it must be {word} {context[key]:g}"
    if kind in _SIZES:
        word, key, fix = _SIZES[kind]
        return f"{name} {word}", f"{fix} {context[key]}"
    return f"{name} is not valid: {detail['msg']}", "see docs/spec.md"


def _name(path: Path) -> str:
    if not path:
        return "the spec"
    if isinstance(path[-1], int):
        return f"entry {path[-1] + 1} of {_name(path[:-1])}"
    return shown(path[-1])[1:-1]


def _kind_of(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list | tuple):
        return "a mapping" if isinstance(value, dict) else "a list"
    return f"the text {shown(value)}" if isinstance(value, str) else shown(value)


def _example(path: Path, root: type[BaseModel]) -> str:
    info = field_at(path, root) or field_at(path[:-1], root)
    return _first_sentence(info.description if info else None)


def _first_sentence(text: str | None) -> str:
    return (text or "see docs/spec.md").partition(". ")[0].rstrip(".").replace("`", "")
