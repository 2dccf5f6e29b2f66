"""How many GPUs and MIG slices a service may hold: the quota file of the user's repository.

Counts are keyed on the board as well as the resource, because profile names collide: ``mig-1g.10gb`` is an eighth of
the memory of an 80 GB board and a quarter of a 40 GB one.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from tuner.errors import Problem, UserError
from tuner.spec.document import Document, read_document
from tuner.value import Value

__all__ = ["QuotaEntry", "QuotaFile", "parse_quota"]

Count = Annotated[int, Field(ge=0, le=1_000_000)]


class QuotaEntry(Value):
    """What one board and resource allows. ``taken`` is held by everything but the service that is judged."""

    product: str = Field(min_length=1, max_length=63)
    """The node label ``nvidia.com/gpu.product``."""
    resource: str = Field(min_length=1, max_length=253)
    """The extended resource, for example ``nvidia.com/mig-1g.10gb``."""
    limit: int = Field(ge=0)
    taken: int = Field(0, ge=0)


class _Section(Value):
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=False, strict=True)


class _Allowance(_Section):
    limit: Count
    taken: Count = 0


class _Board(_Section):
    product: Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$", max_length=63)]
    resources: dict[
        Annotated[str, Field(pattern=r"^[a-z0-9.-]+/[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$", max_length=253)],
        _Allowance,
    ] = Field(min_length=1)


class QuotaFile(_Section):
    """The file as people write it."""

    api_version: Literal["tuner/v1alpha1"]
    kind: Literal["Quota"]
    quotas: list[_Board]

    @model_validator(mode="after")
    def _each_board_once(self) -> Self:
        products = [board.product for board in self.quotas]
        if twice := sorted({product for product in products if products.count(product) > 1}):
            raise ValueError(f"product {twice[0]} is listed twice: list each product once")
        return self

    def entries(self) -> tuple[QuotaEntry, ...]:
        """One entry for each board and resource, sorted."""
        return tuple(
            QuotaEntry(product=board.product, resource=resource, limit=allowance.limit, taken=allowance.taken)
            for board in sorted(self.quotas, key=lambda board: board.product)
            for resource, allowance in sorted(board.resources.items())
        )


def parse_quota(text: bytes, file: str) -> tuple[QuotaEntry, ...]:
    """The entries of a quota file. UserError, with line and column, for every mistake in it."""
    document = read_document(text, file)
    problems = list(document.mistakes)
    try:
        quota = QuotaFile.model_validate(document.data)
    except ValidationError as error:
        raise UserError([*problems, *_explain(error, document)]) from error
    if problems:
        raise UserError(problems)
    return quota.entries()


def _explain(error: ValidationError, document: Document) -> list[Problem]:
    problems = []
    for detail in error.errors(include_url=False):
        path = tuple(part for part in detail["loc"] if part != "[key]")
        name = ".".join(str(part) for part in path) or "the quota file"
        if detail["type"] == "extra_forbidden":
            what, fix = f"unknown key {name}", "remove it, or see policies/README.md for the keys"
        elif detail["type"] == "missing":
            what, fix = f"{name} is missing", "add it, see policies/README.md"
        else:
            what, fix = f"{name}: {detail['msg']}", "see policies/README.md"
        problems.append(document.problem(path, what, fix, key=detail["type"] == "extra_forbidden"))
    return problems
