"""``tuner replay`` as a person meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tuner.cli.app import app
from tuner.errors import UserError
from tuner.experience.exchange import written
from tuner.experience.remembered import remembered
from tuner.replay.table import Table


@pytest.fixture
def files(tmp_path: Path, csv_text: str, descriptor_text: str) -> list[str]:
    (tmp_path / "t.csv").write_text(csv_text)
    (tmp_path / "d.yaml").write_text(descriptor_text)
    return ["replay", "--table", str(tmp_path / "t.csv"), "--descriptor", str(tmp_path / "d.yaml")]


def test_each_trial_is_shown_then_the_best_and_why_it_stopped(files: list[str]) -> None:
    result = CliRunner().invoke(app, [*files, "--service", "small1", "--sampler", "grid", "--trials", "20"])
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == "small1: 20 configurations, latency at most 40; grid, 0 earlier services"
    assert lines[1].startswith("   1  batch=1 share=100  latency=")
    assert "(so far " in lines[1]
    assert any(line.startswith("in the recording: the best is ") for line in lines)
    assert lines[-1].startswith("stopped: ")


def test_json_holds_all_of_it(files: list[str]) -> None:
    table = files[2]
    options = ["--service", "small1", "--prior", table, "--trials", "4", "--json"]
    result = CliRunner().invoke(app, [*files, *options])
    found = json.loads(result.stdout)
    assert found["earlier_services"] == 1  # the other one is of the same family
    assert [trial["number"] for trial in found["trials"]] == list(range(1, len(found["trials"]) + 1))
    assert found["optimum"]["share"] == 1.0
    assert 0 < found["best"]["share"] <= 1
    assert found["stopped"] == "the budget of 4 trials is used"


def test_it_ends_when_little_is_expected_of_another_trial(files: list[str]) -> None:
    result = CliRunner().invoke(app, [*files, "--service", "small1", "--prior", files[2], "--json"])
    found = json.loads(result.stdout)
    assert found["stopped"].startswith("another trial is expected to gain 0.")
    assert 6 <= len(found["trials"]) < 20
    assert found["recommended"]["share"] > 0.95


def test_exported_experience_is_a_prior(files: list[str], table: Table, tmp_path: Path) -> None:
    prior = tmp_path / "known.jsonl"
    prior.write_bytes(written(record for one in table.earlier() for record in remembered(one.service, one)))
    result = CliRunner().invoke(app, [*files, "--service", "large", "--prior", str(prior), "--trials", "3", "--json"])
    assert json.loads(result.stdout)["earlier_services"] == 2


def test_the_nearest_miss_is_named(files: list[str]) -> None:
    options = ["--service", "large", "--slo", "latency=0.5", "--sampler", "random", "--trials", "5"]
    result = CliRunner().invoke(app, [*files, *options])
    assert "nothing held the limits; the nearest miss is " in result.output
    assert "in the recording: nothing in the recording holds the limits" in result.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--service", "medium"], "the table has no service 'medium'"),
        (["--service", "large", "--slo", "fast"], "--slo 'fast' is no bound"),
        (["--service", "large", "--sampler", "best"], "there is no sampler 'best'"),
        (["--service", "large", "--prior", "none.csv"], "none.csv: cannot be read"),
    ],
)
def test_a_mistake_is_one_line(files: list[str], options: list[str], said: str) -> None:
    result = CliRunner().invoke(app, [*files, *options])
    assert isinstance(result.exception, UserError)
    assert said in str(result.exception)
