"""Engines are found by name; a wrong name names the nearest."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest

from tuner.engine import registry
from tuner.engine.simulator import SimulatorEngine
from tuner.errors import PermanentError, UserError


@pytest.mark.parametrize("name", registry.engine_names())
def test_every_engine_is_called_what_it_says(name: str) -> None:
    assert registry.engine_named(name).name == name


def test_a_wrong_name_names_the_nearest() -> None:
    with pytest.raises(UserError, match=r"unknown engine 'tritn' \(did you mean 'triton'\?\)"):
        registry.engine_named("tritn")
    with pytest.raises(UserError, match="known are simulator, triton"):
        registry.engine_named("zzz")


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two engines of an installed package, one of which does not load."""
    points = EntryPoints(
        [
            EntryPoint("other", "tuner.engine.simulator:SimulatorEngine", registry.GROUP),
            EntryPoint("broken", "tuner.engine.nowhere:Engine", registry.GROUP),
            EntryPoint("triton", "tuner.engine.simulator:SimulatorEngine", registry.GROUP),
        ]
    )

    def selected(**wanted: Any) -> EntryPoints:
        return points.select(**wanted)

    monkeypatch.setattr(registry, "entry_points", selected)


@pytest.mark.usefixtures("offered")
def test_installed_packages_offer_engines() -> None:
    assert "other" in registry.engine_names()
    assert isinstance(registry.engine_named("other"), SimulatorEngine)


@pytest.mark.usefixtures("offered")
def test_a_package_cannot_take_the_place_of_a_built_in_engine() -> None:
    assert registry.engine_named("triton").name == "triton"


@pytest.mark.usefixtures("offered")
def test_an_engine_that_does_not_load_says_so() -> None:
    with pytest.raises(PermanentError, match=r"'broken'.*does not load"):
        registry.engine_named("broken")
