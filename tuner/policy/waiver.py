"""Exceptions from one rule for one service until one day: the waiver file on the protected branch."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator

from tuner.policy.written import Section, read_written
from tuner.repository.snapshot import Snapshot
from tuner.value import Value

__all__ = ["WAIVERS", "Waiver", "WaiverFile", "days_left", "parse_waivers", "read_waivers"]

WAIVERS = "policies/waivers.yaml"
"""Where the file lies in the repository; read it from the protected branch only."""

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500)]


class Waiver(Value):
    """One exception, as policies see it. It counts up to and on the day ``expires`` (``YYYY-MM-DD``, UTC)."""

    rule: str
    """The id of the one denial that is waived, for example ``cost.increase``."""
    service: str
    reason: str
    approver: str
    expires: str


class _Entry(Section):
    rule: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*\.[a-z0-9_.-]+$", max_length=100)]
    service: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", max_length=63)]
    reason: Words
    approver: Words
    expires: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]

    @field_validator("expires")
    @classmethod
    def _is_a_day(cls, value: str) -> str:
        date.fromisoformat(value)
        return value

    def waiver(self) -> Waiver:
        return Waiver(
            rule=self.rule,
            service=self.service,
            reason=self.reason,
            approver=self.approver,
            expires=self.expires,
        )


class WaiverFile(Section):
    """The file as people write it."""

    api_version: Literal["tuner/v1alpha1"]
    kind: Literal["Waivers"]
    waivers: list[_Entry]


def parse_waivers(text: bytes, file: str) -> tuple[Waiver, ...]:
    """Every waiver of the file, expired ones too. UserError, with line and column, for every mistake in it."""
    written = read_written(WaiverFile, text, file, "the waiver file")
    return tuple(entry.waiver() for entry in written.waivers)


def read_waivers(snapshot: Snapshot) -> tuple[Waiver, ...]:
    """The waivers of a commit; none where it has no such file. UserError as ``parse_waivers``."""
    return parse_waivers(snapshot.read(WAIVERS), WAIVERS) if snapshot.entry(WAIVERS) else ()


def days_left(waiver: Waiver, today: str) -> int | None:
    """Days from today to the waiver's last day, negative afterwards; ``None`` where one of them is no date."""
    try:
        return (date.fromisoformat(waiver.expires) - date.fromisoformat(today)).days
    except ValueError:
        return None
