"""Which field of the models a path of the document means: for error messages and for the reference."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tuner.spec.model import TuningSpec

__all__ = ["alias_of", "field_at", "fields_of", "model_at", "model_in"]


def fields_of(model: type[BaseModel]) -> Mapping[str, FieldInfo]:
    """The fields of a section by the key that a person writes."""
    return {alias_of(name, info): info for name, info in model.model_fields.items()}


def alias_of(name: str, info: FieldInfo) -> str:
    """The key that a person writes for a field."""
    return info.alias or name


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The section inside of an annotation such as ``tuple[Constraint, ...]``; ``None`` where it holds none."""
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return annotation if issubclass(annotation, BaseModel) and annotation.model_fields else None
    return next((found for part in typing.get_args(annotation) if (found := model_in(part))), None)


def model_at(path: tuple[str | int, ...], root: type[BaseModel] = TuningSpec) -> type[BaseModel] | None:
    """The section that stands at a path of a document of the model ``root``, ``None`` where none does."""
    annotation: Any = root
    for part in path:
        annotation = _step(annotation, part)
    annotation = _bare(annotation)
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def field_at(path: tuple[str | int, ...], root: type[BaseModel] = TuningSpec) -> FieldInfo | None:
    """The field at a path of the document, ``None`` for an element of a list, a free key or an unknown one."""
    section = model_at(path[:-1], root) if path else None
    return fields_of(section).get(str(path[-1])) if section else None


def _bare(annotation: Any) -> Any:
    """The annotation without ``Annotated`` and without ``None``."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _bare(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        kinds = [part for part in typing.get_args(annotation) if part is not type(None)]
        return _bare(kinds[0]) if len(kinds) == 1 else None
    return annotation


def _step(annotation: Any, part: str | int) -> Any:
    annotation = _bare(annotation)
    if isinstance(annotation, type) and not typing.get_args(annotation) and issubclass(annotation, BaseModel):
        found = fields_of(annotation).get(str(part))
        return found.annotation if found else None
    if typing.get_origin(annotation) is dict:
        return typing.get_args(annotation)[1]
    if typing.get_origin(annotation) is tuple:
        return typing.get_args(annotation)[0]
    return None
