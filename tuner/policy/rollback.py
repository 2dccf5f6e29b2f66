"""How a change is undone."""

from __future__ import annotations

from pydantic import Field

from tuner.value import Value

__all__ = ["Rollback"]


class Rollback(Value):
    """The way back: these files get the content again that they have in this commit."""

    commit: str = Field(pattern=r"^[0-9a-f]{40,64}$")
    """Full SHA."""
    files: dict[str, str]
    """Digest (``sha256:…``) of what the commit has, by path."""
    history: int | None = None
    """Revisions that the workload keeps (``revisionHistoryLimit``); ``None`` where the manifest does not say."""
