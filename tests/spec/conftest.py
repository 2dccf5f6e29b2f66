from __future__ import annotations

from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def examples() -> Path:
    return _ROOT / "configs" / "examples"


@pytest.fixture(scope="session")
def minimal(examples: Path) -> str:
    """The smallest good spec, to be changed by one word in a test."""
    return (examples / "good" / "tuning.yaml").read_text()


@pytest.fixture(scope="session")
def page() -> Path:
    return _ROOT / "docs" / "spec.md"
