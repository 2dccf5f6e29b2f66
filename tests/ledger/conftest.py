from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tuner.ledger.chain import Ledger
from tuner.ledger.signature import ServiceKey

CAMPAIGN = "orientation-3f2a91c0"
BODIES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("campaign-begun", {"spec": "configs/orientation/tuning.yaml", "commit": "3f2a91c0"}),
    ("trial-completed", {"number": 0, "rate": 523.25, "assignment": {"instances": 1, "größe": "klein\u2028"}}),
    ("verdict", {"allow": True, "denials": [], "nested": {"a": [1, None, 1e300, -0.0, 10**30]}}),
    ("proposal-intended", {"branch": "tuner/orientation"}),
)


@pytest.fixture
def clock() -> Callable[[], datetime]:
    ticks: Iterator[int] = iter(range(1_000_000))
    return lambda: datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(milliseconds=250 * next(ticks))


@pytest.fixture
def key(tmp_path: Path) -> ServiceKey:
    return ServiceKey.load(tmp_path / "keys")


@pytest.fixture
def chain(tmp_path: Path, clock: Callable[[], datetime]) -> bytes:
    """A whole chain of four records."""
    with Ledger.open(tmp_path / "fixture.jsonl", CAMPAIGN, clock=clock) as ledger:
        for kind, body in BODIES:
            ledger.append(kind, body)
        return ledger.content()
