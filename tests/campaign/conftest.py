"""Fixtures of the campaign tests."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.campaign import service as services
from tests.campaign.service import Service


@pytest.fixture
def make_service(tmp_path: Path) -> Callable[..., Service]:
    """See ``tests.campaign.service.make_service``."""
    return partial(services.make_service, tmp_path)
