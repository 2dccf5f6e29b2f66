"""What every section of a spec is built from: the base model, names, scalars and paths that are safe to use."""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, Strict, WithJsonSchema
from pydantic.alias_generators import to_camel

from tuner.spec.mistake import Mistake, shown
from tuner.value import Value

__all__ = [
    "Flag",
    "Integer",
    "ModelSource",
    "Name",
    "Number",
    "RelativePath",
    "Scalar",
    "Section",
    "Text",
    "Written",
    "clean",
]

Scalar = bool | int | float | str

_NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
_LONGEST = 1000
_LARGEST = 2**53


class Section(Value):
    """Base of the sections: keys are written in camelCase, as in every Kubernetes manifest."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=False, validate_by_name=False, strict=False)


def clean(text: str) -> str:
    """Refuse what must never reach a manifest or a terminal: control characters and Kubernetes' ``$(…)``."""
    if not text.isprintable():
        raise Mistake(f"{shown(text)} holds a control character", "write plain text on one line")
    if "$(" in text:
        raise Mistake(f"{shown(text)} holds $(, which Kubernetes expands", "write the value itself")
    if len(text) > _LONGEST:
        raise Mistake(f"the text has {len(text)} characters", f"use at most {_LONGEST}")
    return text


def _name(text: str) -> str:
    if not re.fullmatch(_NAME[1:-1], text) or len(text) > 63:
        raise Mistake(
            f"{shown(text)} is not a name",
            "use up to 63 lower-case letters, digits and -, with a letter or digit at both ends",
        )
    return text


def _scalar(raw: Any) -> Any:
    if isinstance(raw, str):
        return clean(raw)
    if isinstance(raw, int | float) and abs(raw) > _LARGEST:
        raise Mistake(f"{shown(raw)} is too large a number", "use at most 2^53")
    if isinstance(raw, bool | int | float):
        return raw
    kind = {list: "a list", tuple: "a list", dict: "a mapping", type(None): "nothing"}.get(type(raw), "something else")
    raise Mistake(f"a single value is needed here, not {kind}", "write true, false, a number or a text")


def _relative_path(text: str) -> str:
    """A normalised path below the spec's folder, with nothing that a shell, Git or Kubernetes would read anew."""
    clean(text)
    parts = text.split("/")
    if text.startswith(("/", "~")) or "\\" in text or ":" in text:
        raise Mistake(f"{shown(text)} is not a relative path", "write it from the folder of the spec, with /")
    if ".." in parts:
        raise Mistake(
            f"{shown(text)} leaves the folder of the spec", "keep the file beside or below the spec, without .."
        )
    if any(part in ("", ".") for part in parts):
        plain = "/".join(part for part in parts if part not in ("", "."))
        raise Mistake(f"{shown(text)} is not normalised", f"write {plain}" if plain else "name a file or folder")
    if any(part.startswith("-") or part.lower() == ".git" for part in parts):
        raise Mistake(f"{shown(text)} has a part that is .git or starts with -", "choose another file")
    return text


def _model_source(text: str) -> str:
    """A relative path, or ``file:///…`` on the machine that runs the trials."""
    if "://" not in text and not text.startswith("file:"):
        return _relative_path(text)
    address = urlsplit(clean(text))
    if address.scheme != "file":
        raise Mistake(
            f"{shown(text)} has the scheme {address.scheme}:, which is not read",
            "write a path below the spec, or file:///… on the trial machine",
        )
    if address.netloc or address.query or address.fragment or not re.fullmatch(r"/[^/].*", address.path):
        raise Mistake(f"{shown(text)} is not an absolute file: URI", "write file:/// and the absolute path")
    if {"..", "."} & set(address.path.split("/")) or "%" in text:
        raise Mistake(f"{shown(text)} is not normalised", "write the path without ., .. and % escapes")
    return text


Text = Annotated[str, AfterValidator(clean), Field(min_length=1)]
Name = Annotated[str, AfterValidator(_name), WithJsonSchema({"type": "string", "pattern": _NAME, "maxLength": 63})]
RelativePath = Annotated[
    str,
    AfterValidator(_relative_path),
    WithJsonSchema({"type": "string", "pattern": r"^(?!.*(^|/)\.{1,2}(/|$))[^/~\\:]+(/[^/\\:]+)*$"}),
]
ModelSource = Annotated[
    str,
    AfterValidator(_model_source),
    WithJsonSchema({"type": "string", "pattern": r"^(file:///[^/].*|(?!.*(^|/)\.{1,2}(/|$))[^/~\\:]+(/[^/\\:]+)*)$"}),
]
Integer = Annotated[int, Strict()]
Number = Annotated[float, Strict()]
Flag = Annotated[bool, Strict()]
Written = Annotated[
    Scalar, BeforeValidator(_scalar), WithJsonSchema({"type": ["boolean", "number", "string"], "maxLength": _LONGEST})
]
