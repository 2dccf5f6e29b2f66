"""The benchmark on simulated servers: resumed where it was killed, and nothing but what was measured in its table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.load_simulated import main


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which rows are kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "tuner" / "bench-load"


def run(seeds: int) -> None:
    main(["--dry", "--jobs", "1", "--seeds", str(seeds), "--methods", "sweep", "--servers", "M/M/1"])


def test_a_killed_run_goes_on_where_it_stopped(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(3)
    (store,) = kept.glob("peers-*.jsonl")
    lines = store.read_text().splitlines(keepends=True)
    assert sorted(json.loads(line)["seed"] for line in lines) == [0, 1, 2]
    marked = {**json.loads(lines[0]), "seconds": 12_345.0}
    store.write_text(json.dumps(marked) + "\n" + lines[1] + lines[2][: len(lines[2]) // 2])
    run(4)
    rows = [json.loads(line) for line in store.read_text().splitlines()]
    assert marked in rows, "what was kept is not measured again"
    assert {row["seed"] for row in rows} == {0, 1, 2, 3}
    assert {row["server"] for row in rows} == {"M/M/1"}
    assert json.loads(lines[2]) in rows, "a row that was half-written is measured again, and comes out the same"
    shown = capsys.readouterr()
    assert "M/M/1" in shown.out
    assert "sweep" in shown.out
    assert "true capacity of M/M/1: 907" in shown.err


def test_true_capacities_are_kept(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(1)
    run(1)
    assert capsys.readouterr().err.count("true capacity") == 1
    (truths,) = kept.glob("truths-*.json")
    assert list(json.loads(truths.read_text()).values()) == [pytest.approx(906.97, abs=0.01)]
