"""How a change is proposed: the door to a forge."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from pydantic import Field

from tuner.value import Value

__all__ = ["Forge", "PullRequest", "PullRequestState"]


class PullRequestState(StrEnum):
    """DECLINED is closed without a merge: a person said no."""

    OPEN = "open"
    MERGED = "merged"
    DECLINED = "declined"


class PullRequest(Value):
    """A pull request as the forge has it. ``url`` is where a person looks at it."""

    number: int
    branch: str
    base: str
    head: str
    """Full SHA of the branch's last commit."""
    state: PullRequestState
    title: str
    body: str
    url: str
    comments: tuple[str, ...] = Field(default=())
    merge_commit: str | None = None


class Forge(Protocol):
    """Hosts pull requests. TemporaryError where it does not answer."""

    name: str

    def find(self, branch: str) -> Sequence[PullRequest]:
        """All pull requests from this branch, in every state, oldest first."""
        ...

    def list(self) -> Sequence[PullRequest]: ...

    def open(self, *, branch: str, base: str, title: str, body: str) -> PullRequest:
        """Open a pull request from a branch that was pushed; the one that is open already, where there is one."""
        ...

    def update(self, number: int, *, title: str, body: str) -> PullRequest: ...

    def comment(self, number: int, text: str) -> None: ...

    def merge(self, number: int) -> PullRequest: ...

    def decline(self, number: int, reason: str) -> PullRequest: ...
