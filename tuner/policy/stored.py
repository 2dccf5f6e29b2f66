"""Inputs that were stored: in the ledger, in a pull request, or in a case that somebody wrote."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from tuner.errors import UserError
from tuner.policy.model import PolicyDocument, PolicyInput
from tuner.policy.point import AdmissionInput, RolloutInput
from tuner.spec.document import Document, Path, read_document
from tuner.value import Value

__all__ = ["Case", "Expected", "document_of", "read_case"]

_DERIVED = ("relative",)
_DERIVED_OF_SIDE = ("fleet",)
T = TypeVar("T")


class Expected(Value):
    """What a case asks for: ids of all denials, and of warnings where they matter."""

    allow: bool
    deny: tuple[str, ...] = ()
    warn: tuple[str, ...] | None = None


class Case(Value):
    """One stored input and what the policies are to say of it."""

    name: str
    document: PolicyDocument
    expect: Expected | None = None
    """``None``: the file is an input alone."""


class _Written(Value):
    point: Literal["admission", "recommendation", "rollout"] | None = None
    input: dict[str, Any]
    expect: Expected


def document_of(data: Mapping[str, Any]) -> PolicyDocument:
    """The typed input of a stored document, with or without what was worked out from it. ValidationError (pydantic)."""
    plain = {name: value for name, value in data.items() if name not in _DERIVED}
    for side in ("baseline", "candidate"):
        if isinstance(plain.get(side), dict):
            plain[side] = {name: value for name, value in plain[side].items() if name not in _DERIVED_OF_SIDE}
    if isinstance(plain.get("waivers"), list):
        plain["waivers"] = [
            {name: value for name, value in each.items() if name != "days"} if isinstance(each, dict) else each
            for each in plain["waivers"]
        ]
    form = PolicyInput if "candidate" in plain else RolloutInput if "steps" in plain else AdmissionInput
    return form.model_validate(plain)


def read_case(raw: bytes, file: str) -> Case:
    """A case (``input`` and ``expect``), or an input alone, in YAML or JSON. UserError for every mistake in it."""
    read = read_document(raw, file)
    if read.mistakes:
        raise UserError(read.mistakes)
    if isinstance(read.data, dict) and "expect" in read.data:
        written = _checked(read, (), lambda: _Written.model_validate(read.data))
        document = _checked(read, ("input",), lambda: document_of(written.input))
        return Case(name=file, document=document, expect=written.expect)
    if not isinstance(read.data, dict):
        raise UserError(read.problem((), "the file is no mapping", "write input and expect"))
    return Case(name=file, document=_checked(read, (), lambda: document_of(read.data)))


def _checked(read: Document, below: Path, make: Callable[[], T]) -> T:
    """What ``make`` makes of the part of the file at ``below``; UserError, with the place, of what it refuses."""
    try:
        return make()
    except ValidationError as error:
        raise UserError(
            read.problem(
                (*below, *each["loc"]),
                f"{'.'.join(map(str, each['loc'])) or 'the input'}: {each['msg']}",
                "see docs/policy.md",
            )
            for each in error.errors(include_url=False)
        ) from error
