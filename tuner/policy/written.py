"""Files beside the policies that people write: YAML read strictly, every mistake told with its place."""

from __future__ import annotations

from typing import TypeVar

from pydantic import ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from tuner.errors import Problem, UserError
from tuner.spec.document import Document, read_document
from tuner.value import Value

__all__ = ["Section", "read_written"]

_SEE = "see policies/README.md"


class Section(Value):
    """A part of such a file: camel case keys, no conversion of types."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=False, strict=True)


Form = TypeVar("Form", bound=Section)


def read_written(form: type[Form], text: bytes, file: str, what: str) -> Form:
    """The file as the form has it; ``what`` it is, for messages. UserError, with line and column, for every mistake."""
    document = read_document(text, file)
    problems = list(document.mistakes)
    try:
        written = form.model_validate(document.data)
    except ValidationError as error:
        raise UserError([*problems, *_explain(error, document, what)]) from error
    if problems:
        raise UserError(problems)
    return written


def _explain(error: ValidationError, document: Document, whole: str) -> list[Problem]:
    problems = []
    for detail in error.errors(include_url=False):
        path = tuple(part for part in detail["loc"] if part != "[key]")
        name = ".".join(str(part) for part in path) or whole
        if detail["type"] == "extra_forbidden":
            what, fix = f"unknown key {name}", f"remove it, or {_SEE} for the keys"
        elif detail["type"] == "missing":
            what, fix = f"{name} is missing", f"add it, {_SEE}"
        else:
            what, fix = f"{name}: {detail['msg']}", _SEE
        problems.append(document.problem(path, what, fix, key=detail["type"] == "extra_forbidden"))
    return problems
