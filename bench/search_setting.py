"""What all runs of a search benchmark share: the data, the options, and what each model's recording is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from bench.search_peers import PEERS
from tuner.experience.model import Earlier
from tuner.replay.descriptor import Descriptor, read_descriptor_file
from tuner.replay.prior import others, read_prior
from tuner.replay.recording import Recording, recording_of
from tuner.replay.table import Table, read_table_file

__all__ = ["METHODS", "OURS", "Job", "Setting"]

OURS = ("tuner+prior", "tuner")
METHODS = (*OURS, "tpe", "random", "nsga2", *PEERS)


@dataclass(frozen=True, slots=True)
class Job:
    """Runs of one method on one model."""

    model: str
    method: str
    noise: float
    seeds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Setting:
    """The data and the options that all runs share. Without a ``prior`` the table teaches about itself."""

    table: Path
    descriptor: Path
    prior: Path | None
    slo: float | None
    most: int

    def described(self) -> Descriptor:
        """The descriptor, with the bound that was asked for."""
        found = read_descriptor_file(self.descriptor)
        return found if self.slo is None else found.limited(self.slo)

    def digest(self) -> str:
        """The same for the same data and options; how the data are read, each recording says."""
        files = [self.table, *([] if self.prior is None else [self.prior])]
        contents = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
        return hashlib.sha256(repr((contents, self.slo, self.most)).encode()).hexdigest()[:16]

    def read(self) -> Table:
        """The table."""
        return _table(self)

    def recording(self, model: str) -> Recording:
        """One model of the table."""
        return _recording(self, model)

    def experience(self, model: str, method: str = OURS[0]) -> tuple[Earlier, ...]:
        """Everything but the family that is judged; nothing for a cold start."""
        recording = self.recording(model)
        return others(_all(self), recording.service, recording.family) if method == OURS[0] else ()


@lru_cache(maxsize=1)
def _table(setting: Setting) -> Table:
    return read_table_file(setting.table, setting.described())


@lru_cache(maxsize=1)
def _all(setting: Setting) -> tuple[Earlier, ...]:
    if setting.prior is None or setting.prior.resolve() == setting.table.resolve():
        return _table(setting).earlier()
    return read_prior(setting.prior, setting.described())


@lru_cache(maxsize=100)
def _recording(setting: Setting, model: str) -> Recording:
    return recording_of(_table(setting), model)
