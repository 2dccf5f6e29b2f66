"""The ten questions that a reviewer asks, in the order in which both the body and the page answer them."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Question"]


class Question(StrEnum):
    """A heading; its name is the anchor in the page."""

    CHANGES = "What changes"
    BETTER = "How much better, and how sure"
    LOAD = "At what load and SLO"
    COST = "What it costs"
    POLICY = "What the policies said"
    TRIALS = "What was tried, and what failed"
    RUNNER_UP = "Why not the runner-up"
    MEASURED = "What it was measured on, and what ships"
    UNDO = "How to undo"
    VERIFY = "How to verify"

    @property
    def anchor(self) -> str:
        """The id of the section."""
        return self.name.lower().replace("_", "-")
