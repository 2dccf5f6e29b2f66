"""Bands of arrival rates on recorded data: each has an optimum of its own, and one search finds them all."""

from __future__ import annotations

import json
import math
from itertools import islice
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tuner.cli.app import app
from tuner.errors import UserError
from tuner.replay.advice import Adviser
from tuner.replay.bands import bands_found
from tuner.replay.descriptor import read_descriptor
from tuner.replay.recording import Noise, Recording, recording_of
from tuner.replay.run import replay, share_so_far
from tuner.replay.strategy import learned, strategy_named, tuner_sampler
from tuner.replay.table import read_table
from tuner.search.fleet import replicas_of

SILENT = Noise(0.0, 0)
BANDS = "  bands: {rates: [50, 300, 2000], cost: 0.2 + double(share) / 50.0}\n"


@pytest.fixture
def banded_text(descriptor_text: str) -> str:
    return descriptor_text.replace(
        "  known: 1000.0 * double(batch) / double(share)\n", "  known: 1000.0 * double(batch)\n" + BANDS
    )


@pytest.fixture
def banded(banded_text: str, csv_text: str) -> Recording:
    descriptor = read_descriptor(banded_text.encode(), "d.yaml")
    return recording_of(read_table(csv_text.encode(), "t.csv", descriptor), "small2")


def cost(recording: Recording, batch: int, share: int, rate: float) -> float:
    """By hand: what all replicas cost that bear the rate; infinite where the latency is over its limit."""
    cell = next(cell for one, cell in recording.cells.items() if one["batch"] == batch and one["share"] == share)
    latency = cell.values["latency"]
    held = latency <= 40
    return (0.2 + share / 50) * math.ceil(rate / (1000 * batch / latency)) if held else math.inf


def test_the_optimum_of_a_band_is_the_least_cost_of_whole_replicas(banded: Recording) -> None:
    assert banded.rates == (50.0, 300.0, 2000.0)
    for rate, best in zip(banded.rates, banded.bests, strict=True):
        least = min(cost(banded, batch, share, rate) for batch in (1, 2, 4, 8) for share in (10, 25, 50, 75, 100))
        assert 1 / best.merit == pytest.approx(least)
    assert len({best.assignment for best in banded.bests}) > 1


@pytest.mark.parametrize("sampler", ["tuner", "tpe", "nsga2", "random", "grid"])
def test_every_sampler_searches_all_bands_at_once(banded: Recording, sampler: str) -> None:
    steps = list(islice(replay(banded, strategy_named(sampler, banded, seed=1, trials=20), SILENT), 20))
    share = share_so_far(banded, steps)
    assert share is not None
    assert share > 0.9 if sampler != "grid" else share > 0


def test_each_band_has_its_recommendation(banded: Recording) -> None:
    sampler = tuner_sampler(banded)
    steps = list(islice(replay(banded, learned(banded, sampler), SILENT), 14))
    found = bands_found(banded, steps, Adviser(banded, sampler))
    assert [(band.above, band.up_to) for band in found] == [(0.0, 50.0), (50.0, 300.0), (300.0, 2000.0)]
    for band in found:
        assert band.recommended is not None
        assert band.recommended.share is not None
        assert band.recommended.share > 0.9
        assert band.optimum is not None
        assert band.optimum.share == 1.0
        assert band.optimum.replicas is not None


def test_only_allowed_numbers_of_replicas_count(banded_text: str, csv_text: str) -> None:
    text = banded_text.replace("/ 50.0}", "/ 50.0, replicas: [2, 8]}")
    recording = recording_of(read_table(csv_text.encode(), "t.csv", read_descriptor(text.encode(), "d.yaml")), "small2")
    one = recording.bests[0].assignment
    assert recording.replicas(recording.tried(one), 0) == replicas_of(50.0, 1e9, (2, 8)) == 2


def test_one_value_is_not_enough_for_a_sampler_of_one_value(banded: Recording) -> None:
    with pytest.raises(UserError, match="cmaes looks for one best value"):
        strategy_named("cmaes", banded, seed=0, trials=5)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("rates: [50, 300, 2000]", "rates: [50, 300, 300]", "300 does not lie above 300"),
        ("rates: [50, 300, 2000]", "rates: []", "rates"),
        ("double(share) / 50.0", "double(shar) / 50.0", "the constraint names shar, which is not a parameter"),
    ],
)
def test_a_mistake_in_bands_is_named(banded_text: str, old: str, new: str, expected: str) -> None:
    with pytest.raises(UserError, match=r"d\.yaml:10:") as caught:
        read_descriptor(banded_text.replace(old, new).encode(), "d.yaml")
    assert expected in str(caught.value)


def test_the_command_tells_every_band(banded_text: str, csv_text: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(csv_text)
    (tmp_path / "d.yaml").write_text(banded_text)
    files = ["replay", "--table", str(tmp_path / "t.csv"), "--descriptor", str(tmp_path / "d.yaml")]
    plain = CliRunner().invoke(app, [*files, "--service", "small2", "--trials", "10"])
    assert plain.exit_code == 0, plain.output
    lines = plain.output.splitlines()
    assert [line.partition(":")[0] for line in lines if line.startswith("up to ")] == [
        "up to 50",
        "up to 300",
        "up to 2000",
    ]
    assert any("    in the recording: the best is batch=" in line and "100.0% of the best" in line for line in lines)
    told = CliRunner().invoke(app, [*files, "--service", "small2", "--trials", "10", "--json"])
    found = json.loads(told.stdout)
    assert [band["up_to"] for band in found["bands"]] == [50.0, 300.0, 2000.0]
    assert all(band["best"]["replicas"] >= 1 for band in found["bands"])
    assert (found["best"], found["recommended"], found["optimum"]) == (None, None, None)
