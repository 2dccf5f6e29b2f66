"""One remembered trial: what the store keeps in a row and a file of experience in a line."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Annotated

from pydantic import Field

from tuner.experience.model import Count, Earlier, ModelFeatures, Tried, Word
from tuner.value import Value, canonical_json

__all__ = ["Remembered", "grouped", "remembered"]


class Remembered(Value):
    """One finished trial with all that it belongs to. ``campaign`` and ``number`` name it wherever it is copied to."""

    campaign: Word = Field(min_length=1)
    number: Count
    ended: Annotated[float, Field(ge=0, le=1e11)] = 0.0
    """Seconds since the epoch; 0 where it is not known."""
    service: Word = Field(min_length=1)
    engine: Word
    hardware: Word = ""
    load: Word = ""
    family: Word | None = None
    features: ModelFeatures | None = None
    trial: Tried

    @property
    def key(self) -> tuple[str, int]:
        """Two trials of one key are the same trial."""
        return self.campaign, self.number

    def line(self) -> str:
        """The one spelling as JSON, without a newline."""
        return canonical_json(self.model_dump(mode="json", exclude_defaults=True))


def remembered(campaign: str, earlier: Earlier) -> tuple[Remembered, ...]:
    """Each trial by itself, numbered in order. ValidationError (pydantic) where the campaign's name is none."""
    about = {name: getattr(earlier, name) for name in Earlier.model_fields if name != "trials"}
    return tuple(
        Remembered(campaign=campaign, number=number, trial=trial, **about)
        for number, trial in enumerate(earlier.trials)
    )


def grouped(records: Iterable[Remembered]) -> tuple[Earlier, ...]:
    """What belongs together, in an order that depends on the records alone; of one key the first record counts."""
    distinct = {record.key: record for record in reversed(tuple(records))}
    ordered = sorted(distinct.values(), key=lambda record: (_about(record), record.key))
    return tuple(_earlier(tuple(group)) for _, group in groupby(ordered, key=_about))


def _earlier(group: tuple[Remembered, ...]) -> Earlier:
    first = group[0]
    about = {name: getattr(first, name) for name in Earlier.model_fields if name != "trials"}
    return Earlier(**about, trials=tuple(record.trial for record in group))


def _about(record: Remembered) -> tuple[str, ...]:
    features = "" if record.features is None else record.features.model_dump_json()
    family = "" if record.family is None else f"={record.family}"
    return record.service, record.engine, record.hardware, record.load, family, features
