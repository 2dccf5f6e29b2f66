"""What a search on recorded data may learn from before its first trial: another table, or a file of experience."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tuner.experience.exchange import read_experience_file
from tuner.experience.model import Earlier
from tuner.experience.remembered import grouped
from tuner.replay.descriptor import Descriptor
from tuner.replay.table import read_table_file

__all__ = ["others", "read_prior"]


def read_prior(path: Path, descriptor: Descriptor) -> tuple[Earlier, ...]:
    """A table with the descriptor's columns, or experience (``.jsonl``). UserError where it is neither."""
    if path.suffix == ".jsonl":
        return grouped(read_experience_file(path))
    return read_table_file(path, descriptor).earlier()


def others(earlier: Sequence[Earlier], service: str, family: str) -> tuple[Earlier, ...]:
    """Those that tell nothing of the service itself: neither it nor any other of its family, which would give it away.

    What the family of a service in a file of experience is, that file says; many say nothing.
    """
    return tuple(one for one in earlier if one.service != service and one.family != family)
