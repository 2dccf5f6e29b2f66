"""How a change is proposed: the door to a forge."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pydantic import Field

from tuner.value import Value

__all__ = ["Forge", "PullRequest", "PullRequestState", "Remark", "Status", "StatusState"]


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
    """Without what a forge writes into it to mark a draft."""
    body: str
    url: str
    draft: bool = False
    """Not to be merged yet."""
    labels: tuple[str, ...] = ()
    """In the alphabet's order."""
    reviewers: tuple[str, ...] = ()
    """Who was asked and has not answered yet: ``name``, or ``organisation/team``; in the alphabet's order."""
    merge_commit: str | None = None
    """Full SHA of the commit that brought it into the base, where the forge knows it."""
    author: str = ""
    reason: str = ""
    """Why it was declined, in the words of who declined it; known by ``find`` and ``get``."""


class Remark(Value):
    """A comment on a pull request; ``id`` is unique on it. ``ours``: written through this forge's credentials."""

    id: int
    author: str
    text: str
    ours: bool


class StatusState(StrEnum):
    """What a commit's status says."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"


class Status(Value):
    """What a commit is told about itself; the last one of a ``context`` counts. ``url`` leads to the reasons."""

    context: str = Field(min_length=1, max_length=255)
    state: StatusState
    text: str = Field(max_length=140)
    url: str = ""


class Forge(Protocol):
    """Hosts pull requests.

    Every method may be repeated: what is so already costs no write. Every method raises TemporaryError where the forge
    does not answer, asks to wait, or another process was first; PermanentError where it refuses; and UserError for a
    number that it does not have. Merging and declining are for people, so they are not here.
    """

    @property
    def name(self) -> str:
        """What kind of forge it is, in a word."""
        ...

    def find(self, branch: str) -> Sequence[PullRequest]:
        """All pull requests from this branch of the repository itself, in every state, oldest first."""
        ...

    def get(self, number: int) -> PullRequest:
        """The pull request with this number."""
        ...

    def list(self, since: datetime | None = None) -> Sequence[PullRequest]:
        """Pull requests in every state, oldest first: all, or at least those that changed after ``since``.

        What changed is by the forge's clock. All of them are many in a repository that has been worked in for years:
        ``find`` and ``get`` are cheaper.
        """
        ...

    def open(self, *, branch: str, base: str, title: str, body: str, draft: bool = False) -> PullRequest:
        """Open a pull request from a branch that was pushed; the one that is open already, where there is one.

        UserError where a branch does not exist or has nothing that the base lacks.
        """
        ...

    def update(self, number: int, *, title: str, body: str, draft: bool = False) -> PullRequest:
        """Replace title and body of an open one, and make it a draft or ready; a closed one is UserError."""
        ...

    def present(self, number: int, *, labels: Sequence[str], reviewers: Sequence[str]) -> None:
        """Add labels, and ask for reviews; whom the forge does not let review is passed over."""
        ...

    def comments(self, number: int) -> Sequence[Remark]:
        """What was said on it, oldest first."""
        ...

    def comment(self, number: int, text: str, *, token: str) -> None:
        """Say something, whatever the state; an own comment that has the ``token`` in it says it from now on.

        The text has the token in it (ValueError where it has not), best in a Markdown comment that nobody sees.
        """
        ...

    def may_write(self, author: str) -> bool:
        """Whether the author of a remark may push to the repository; false where the forge does not say."""
        ...

    def status(self, commit: str, context: str) -> Status | None:
        """What this commit was last told under the context; None where nothing was."""
        ...

    def set_status(self, commit: str, status: Status) -> None:
        """Tell a commit, which the forge has."""
        ...
