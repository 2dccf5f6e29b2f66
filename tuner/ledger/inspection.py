"""A chain's raw bytes, looked at record by record: what is wrong, and where."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from tuner.errors import PermanentError
from tuner.ledger.record import Record, genesis
from tuner.value import Value

__all__ = ["Chain", "Finding", "inspect"]


class Finding(Value):
    """One thing that is wrong. ``record`` counts lines of the chain from 1; ``None``: the chain as a whole."""

    record: int | None = None
    what: str = Field(min_length=1)

    def __str__(self) -> str:
        return self.what if self.record is None else f"record {self.record} {self.what}"


@dataclass(frozen=True, slots=True)
class Chain:
    """The readable records of a chain, ``None`` in place of an unreadable one, and everything wrong with them."""

    records: tuple[Record | None, ...]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Nothing is wrong."""
        return not self.findings

    def sound(self) -> tuple[Record, ...]:
        """All records of a chain with nothing wrong; PermanentError otherwise."""
        if self.findings:
            raise PermanentError(f"the audit chain is broken: {'; '.join(map(str, self.findings[:5]))}")
        return tuple(record for record in self.records if record is not None)


def inspect(raw: bytes) -> Chain:
    """Check every byte: each line is one canonical record that follows the one before."""
    records: list[Record | None] = []
    findings: list[Finding] = []
    for number, line in enumerate(_lines(raw), start=1):
        try:
            record = Record.read(line)
        except ValueError as error:
            findings.append(Finding(record=number, what=str(error)))
            records.append(None)
            continue
        findings += _out_of_place(record, number, records)
        records.append(record)
    return Chain(tuple(records), tuple(findings))


def _lines(raw: bytes) -> list[bytes]:
    """Lines with their newline; only a line feed ends one."""
    *whole, rest = raw.split(b"\n")
    return [line + b"\n" for line in whole] + ([rest] if rest else [])


def _out_of_place(record: Record, number: int, before: list[Record | None]) -> list[Finding]:
    """What speaks against this record standing on this line, after the records before it."""
    found = []
    if record.seq != number:
        found.append(f"says that it is record {record.seq}: records are missing, repeated or reordered before it")
    if not before:
        if record.previous != genesis(record.campaign):
            found.append("does not begin a chain: records before it are missing")
    elif (last := before[-1]) is not None:
        if record.previous != last.hash:
            found.append(f"does not follow record {number - 1}")
        if record.campaign != last.campaign:
            found.append(f"belongs to campaign {record.campaign}, the one before to {last.campaign}")
    return [Finding(record=number, what=what) for what in found]
