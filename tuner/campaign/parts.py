"""What a campaign is wired from: one implementation of each Protocol, chosen by the command line."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from tuner.campaign.observer import Observer
from tuner.engine.protocol import Engine
from tuner.ledger.signature import ServiceKey
from tuner.load.protocol import LoadGenerator
from tuner.policy.bundle import PolicyBundle
from tuner.policy.model import PolicyEngine
from tuner.pull_request.protocol import Forge
from tuner.repository.repository import Repository
from tuner.trial.protocol import Backend

__all__ = ["Parts"]


@dataclass(frozen=True, slots=True)
class Parts:
    """One of each. Nothing in it belongs to a single campaign but ``backend``, which is made for a trials folder."""

    repository: Repository
    forge: Forge
    engine: Callable[[str], Engine]
    backend: Callable[[Path], Backend]
    generator: Callable[[tuple[int, ...]], AbstractContextManager[LoadGenerator]]
    """A generator that keeps to the given CPUs."""
    policies: Callable[[PolicyBundle], AbstractContextManager[PolicyEngine]]
    key: ServiceKey
    state: Path
    observer: Observer
    storage_url: str | None = None
    """Database of the studies; ``None`` keeps each in an SQLite file of its campaign."""
