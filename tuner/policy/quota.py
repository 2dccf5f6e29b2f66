"""How many GPUs and MIG slices a service may hold: the quota file of the user's repository.

Counts are keyed on the board as well as the resource, because profile names collide: ``mig-1g.10gb`` is an eighth of
the memory of an 80 GB board and a quarter of a 40 GB one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tuner.policy.written import Section, read_written
from tuner.repository.snapshot import Snapshot
from tuner.value import Value

__all__ = ["QUOTA", "QuotaEntry", "QuotaFile", "StatedQuota", "parse_quota", "read_quota"]

QUOTA = "policies/quota.yaml"
"""Where the file lies in the repository; read it from the protected branch only."""

Count = Annotated[int, Field(ge=0, le=1_000_000)]


class QuotaEntry(Value):
    """What one board and resource allows.

    ``taken`` is held by everything but the service that is judged: other manifests, and what no manifest shows.
    """

    product: str = Field(min_length=1, max_length=63)
    """The node label ``nvidia.com/gpu.product``; ``*`` is any board."""
    resource: str = Field(min_length=1, max_length=253)
    """The extended resource, for example ``nvidia.com/mig-1g.10gb``."""
    limit: int = Field(ge=0)
    taken: int = Field(0, ge=0)
    reserved: int = Field(0, ge=0)
    """What open pull requests of other services would take on top."""
    namespace: str = ""
    """Only what runs in this namespace counts; empty: everything does."""
    source: str = ""
    """The file that states the limit."""
    uncounted: tuple[str, ...] = ()
    """Files that may hold some of it and cannot be read."""


class _Allowance(Section):
    limit: Count
    taken: Count = 0
    """Held by what no manifest of this repository shows."""


class _Board(Section):
    product: Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$", max_length=63)]
    resources: dict[
        Annotated[str, Field(pattern=r"^[a-z0-9.-]+/[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$", max_length=253)],
        _Allowance,
    ] = Field(min_length=1)


class QuotaFile(Section):
    """The file as people write it."""

    api_version: Literal["tuner/v1alpha1"]
    kind: Literal["Quota"]
    quotas: list[_Board]
    uncounted: list[Annotated[str, Field(min_length=1, max_length=500)]] = Field(default_factory=list)
    """Files that cannot be read as manifests, and whose share is among ``taken``."""

    @model_validator(mode="after")
    def _each_board_once(self) -> Self:
        products = [board.product for board in self.quotas]
        if twice := sorted({product for product in products if products.count(product) > 1}):
            raise ValueError(f"product {twice[0]} is listed twice: list each product once")
        return self

    def entries(self, source: str = "") -> tuple[QuotaEntry, ...]:
        """One entry for each board and resource, sorted."""
        return tuple(
            QuotaEntry(
                product=board.product, resource=resource, limit=allowance.limit, taken=allowance.taken, source=source
            )
            for board in sorted(self.quotas, key=lambda board: board.product)
            for resource, allowance in sorted(board.resources.items())
        )


@dataclass(frozen=True, slots=True)
class StatedQuota:
    """What the quota file says: entries, and the files that it says cannot be counted."""

    entries: tuple[QuotaEntry, ...] = ()
    uncounted: tuple[str, ...] = ()


def parse_quota(text: bytes, file: str) -> tuple[QuotaEntry, ...]:
    """The entries of a quota file. UserError, with line and column, for every mistake in it."""
    return read_written(QuotaFile, text, file, "the quota file").entries(file)


def read_quota(snapshot: Snapshot) -> StatedQuota:
    """The quota file of a commit; nothing stated where it has none. UserError as ``parse_quota``."""
    if snapshot.entry(QUOTA) is None:
        return StatedQuota()
    written = read_written(QuotaFile, snapshot.read(QUOTA), QUOTA, "the quota file")
    return StatedQuota(written.entries(QUOTA), tuple(written.uncounted))
