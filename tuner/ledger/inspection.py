"""A chain's raw bytes, looked at record by record: what is wrong, and where."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import Field

from tuner.errors import PermanentError
from tuner.ledger.record import Record, genesis, read_fields
from tuner.value import Value

__all__ = ["Chain", "Finding", "Link", "inspect", "walk"]


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


class Link(NamedTuple):
    """What of a record says where it belongs."""

    seq: int
    campaign: str
    previous: str
    hash: str


def inspect(raw: bytes) -> Chain:
    """Check every byte: each line is one canonical record that follows the one before."""
    records: list[Record | None] = []
    findings: list[Finding] = []
    for line, (link, found) in zip(_lines(raw), walk(raw), strict=True):
        records.append(None if link is None else Record.model_construct(**json.loads(line)))
        findings += found
    return Chain(tuple(records), tuple(findings))


def walk(raw: bytes) -> Iterator[tuple[Link | None, list[Finding]]]:
    """Each line's place in the chain, ``None`` for an unreadable record, and what is wrong; only the last is kept."""
    last: Link | None = None
    for number, line in enumerate(_lines(raw), start=1):
        try:
            fields = read_fields(line)
        except ValueError as error:
            last = None
            yield None, [Finding(record=number, what=str(error))]
            continue
        link = Link(fields["seq"], fields["campaign"], fields["previous"], fields["hash"])
        found = _out_of_place(link, number, last)
        last = link
        yield link, found


def _lines(raw: bytes) -> Iterator[bytes]:
    """Lines with their newline; only a line feed ends one."""
    start = 0
    while start < len(raw):
        end = raw.find(b"\n", start) + 1 or len(raw)
        yield raw[start:end]
        start = end


def _out_of_place(record: Link, number: int, last: Link | None) -> list[Finding]:
    """What speaks against this record standing on this line, after the record before it."""
    found = []
    if record.seq != number:
        found.append(f"says that it is record {record.seq}: records are missing, repeated or reordered before it")
    if number == 1:
        if record.previous != genesis(record.campaign):
            found.append("does not begin a chain: records before it are missing")
    elif last is not None:
        if record.previous != last.hash:
            found.append(f"does not follow record {number - 1}")
        if record.campaign != last.campaign:
            found.append(f"belongs to campaign {record.campaign}, the one before to {last.campaign}")
    return [Finding(record=number, what=what) for what in found]
