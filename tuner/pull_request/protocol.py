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
    """Full SHA of the branch's last commit; of a closed one, as it was when it was closed."""
    state: PullRequestState
    title: str
    body: str
    url: str
    comments: tuple[str, ...] = Field(default=())
    """Oldest first."""
    merge_commit: str | None = None
    """Full SHA of the commit that brought it into the base, where the forge knows it."""
    author: str = ""
    reason: str = ""
    """Why it was declined, in the words of who declined it."""


class Forge(Protocol):
    """Hosts pull requests.

    Every method raises TemporaryError where the forge does not answer or another process was first, PermanentError
    where it refuses, and UserError for a number that it does not have.
    """

    @property
    def name(self) -> str:
        """What kind of forge it is, in a word."""
        ...

    def find(self, branch: str) -> Sequence[PullRequest]:
        """All pull requests from this branch, in every state, oldest first."""
        ...

    def list(self) -> Sequence[PullRequest]:
        """All pull requests, in every state, oldest first."""
        ...

    def open(self, *, branch: str, base: str, title: str, body: str) -> PullRequest:
        """Open a pull request from a branch that was pushed; the one that is open already, where there is one.

        UserError where a branch does not exist or has nothing that the base lacks.
        """
        ...

    def update(self, number: int, *, title: str, body: str) -> PullRequest:
        """Replace title and body of an open one; a closed one is UserError."""
        ...

    def comment(self, number: int, text: str) -> None:
        """Add a comment, whatever the state."""
        ...

    def merge(self, number: int) -> PullRequest:
        """Bring the branch into its base by a merge commit; one that is merged already is returned as it is.

        UserError, and nothing changed, for a conflict and for a declined one.
        """
        ...

    def decline(self, number: int, reason: str) -> PullRequest:
        """Close without a merge; one that is declined already is returned as it is, a merged one is UserError."""
        ...
