"""Fixtures of the command-line tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.campaign.service import Service, make_service


@pytest.fixture
def service(tmp_path: Path) -> Service:
    """The echo service with its spec committed."""
    return make_service(tmp_path)
