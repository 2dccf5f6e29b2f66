"""What the models of a descriptor refused, as problems at their place in the file."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, ValidationError

from tuner.errors import Problem
from tuner.spec.document import Document, Path
from tuner.spec.field import alias_of, model_in
from tuner.spec.mistake import Mistake, nearest, shown

__all__ = ["refused"]


def refused(error: ValidationError, document: Document, root: type[BaseModel]) -> Iterator[Problem]:
    """One problem for each place that was refused."""
    for detail in error.errors(include_url=False):
        path, rest = _path(detail["loc"], document)
        kind = detail["type"]
        mistake = detail.get("ctx", {}).get("error")
        if kind == "missing":
            yield document.problem(path, f"{rest} is missing", "add it", key=True)
        elif kind == "extra_forbidden":
            yield document.problem(path, f"unknown key {shown(path[-1])}", _known_here(path, root), key=True)
        elif isinstance(mistake, Mistake):
            yield document.problem(path + mistake.at, mistake.what, mistake.fix, key=rest == "[key]")
        else:
            name = shown(path[-1])[1:-1] if path and isinstance(path[-1], str) else "this value"
            text = detail["msg"].removeprefix("Input ").removeprefix("Value error, ")
            yield document.problem(path, f"{name} {text[:1].lower()}{text[1:]}, not {shown(detail['input'])}")


def _path(location: tuple[str | int, ...], document: Document) -> tuple[Path, str]:
    """As much of the location as the document holds, and the next part of it."""
    path: Path = ()
    for part in location:
        if (*path, part) not in document.values and (*path, part) not in document.keys:
            return path, str(part)
        path = (*path, part)
    return path, ""


def _known_here(path: Path, root: type[BaseModel]) -> str:
    """The keys of the section that the unknown one stands in, or the nearest of them."""
    section: type[BaseModel] | None = root
    for part in path[:-1]:
        fields = {} if section is None else {alias_of(name, info): info for name, info in section.model_fields.items()}
        if part in fields:
            section = model_in(fields[str(part)].annotation)
    known = [] if section is None else [alias_of(name, info) for name, info in section.model_fields.items()]
    near = nearest(str(path[-1]), known)
    return f"did you mean {near}?" if near else f"known here: {', '.join(known)}"
