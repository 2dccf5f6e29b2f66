"""Every good example builds a space; every bad one gets the error that it names itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuner.engine.registry import engine_named
from tuner.errors import UserError
from tuner.space.build import build_space
from tuner.space.space import Space
from tuner.spec.loading import read_spec

_EXAMPLES = Path(__file__).parents[2] / "configs" / "examples"
_GOOD = sorted((_EXAMPLES / "good").iterdir())
_BAD = sorted((_EXAMPLES / "bad").glob("*.yaml"))


def _space(path: Path) -> Space:
    loaded = read_spec(path)
    return build_space(loaded, engine_named(loaded.spec.service.engine).parameters())


def _expected(path: Path) -> tuple[str, str]:
    """Place and message fragment, from the first line or from the file beside it."""
    beside = path.with_suffix(".expect")
    line = beside.read_text() if beside.exists() else path.read_text().partition("\n")[0]
    row, column, fragment = line.removeprefix("# expect: ").strip().split(":", 2)
    return f"{path}:{row}:{column}: ", fragment.strip()


def test_there_are_enough() -> None:
    assert len(_GOOD) >= 12
    assert len(_BAD) >= 45
    assert all(path.name.startswith("tuning") for path in _GOOD)


@pytest.mark.parametrize("path", _GOOD, ids=lambda path: path.stem)
def test_a_good_example_can_be_tuned(path: Path) -> None:
    space = _space(path)
    assert space.size() != 0
    assert space.violations(space.defaults()) == ()


def test_the_good_examples_have_every_goal_and_baseline() -> None:
    specs = [read_spec(path).spec for path in _GOOD]
    goals = {"minimize-cost", "maximize-capacity", "minimize-latency", "weighted", "pareto"}
    assert {spec.objective.goal for spec in specs} == goals
    assert {spec.baseline.source for spec in specs} == {"manifest", "engine", "values"}


@pytest.mark.parametrize("path", _BAD, ids=lambda path: path.stem)
def test_a_bad_example_gets_the_error_that_it_names(path: Path) -> None:
    place, fragment = _expected(path)
    assert fragment
    with pytest.raises(UserError) as caught:
        _space(path)
    lines = [str(problem) for problem in caught.value.problems]
    assert any(line.startswith(place) and fragment in line for line in lines), lines


def test_with_bands_the_replicas_follow_from_the_rate_and_are_not_tried() -> None:
    space = _space(_EXAMPLES / "good" / "tuning-bands.yaml")
    assert [parameter.name for parameter in space.parameters] == ["max_batch_size", "cpu"]
    assert space.replicas == tuple(range(2, 21))
    plain = _space(_EXAMPLES / "good" / "tuning-resources.yaml")
    assert "replicas" in [parameter.name for parameter in plain.parameters]
    assert plain.replicas == ()
