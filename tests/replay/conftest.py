"""A small table of three services, and its descriptor: latency falls with the share of the machine that is given."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import pytest

from tuner.replay.descriptor import Descriptor, read_descriptor
from tuner.replay.recording import Recording, recording_of
from tuner.replay.table import Table, read_table

DESCRIPTOR = """\
service: {column: model, engine: simulator}
parameters:
  batch: {column: batch}
  share: {column: [share, {name: fraction, scale: 100}], max: 100}
metrics:
  latency: {column: latency_ms, unit: ms}
objective:
  maximize: {latency: -1}
  known: 1000.0 * double(batch) / double(share)
  unit: requests/s per share
limits: {latency: 40}
start: {batch: 1, share: 100}
"""
WORK = {"small1": 150.0, "small2": 200.0, "large": 900.0}


def latency(model: str, batch: int, share: int) -> float:
    return 2.0 + WORK[model] * math.pow(batch, 0.7) / share


def rows(*models: str) -> list[str]:
    return [
        f"{model},{batch},{share},{latency(model, batch, share)!r}"
        for model, batch, share in product(models or tuple(WORK), (1, 2, 4, 8), (10, 25, 50, 75, 100))
    ]


@pytest.fixture
def descriptor_text() -> str:
    return DESCRIPTOR


@pytest.fixture
def csv_text() -> str:
    return "\n".join(["model,batch,share,latency_ms", *rows()]) + "\n"


@pytest.fixture
def descriptor() -> Descriptor:
    return read_descriptor(DESCRIPTOR.encode(), "table.yaml")


@pytest.fixture
def table(descriptor: Descriptor, csv_text: str) -> Table:
    return read_table(csv_text.encode(), "table.csv", descriptor)


@pytest.fixture
def recording(table: Table) -> Recording:
    return recording_of(table, "small1")


@pytest.fixture
def read() -> Callable[..., Recording]:
    """A recording of the only service in a table; ``changed`` replaces words of the descriptor."""

    def make(text: str, *changed: tuple[str, str]) -> Recording:
        words = DESCRIPTOR
        for old, new in changed:
            assert old in words
            words = words.replace(old, new)
        return recording_of(read_table(text.encode(), "table.csv", read_descriptor(words.encode(), "table.yaml")))

    return make
