"""What a proposal does to the outside: few steps, each of which may be repeated without harm.

They are values, so that a campaign can record the intent before a step and its completion after it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tuner.pull_request.protocol import Forge, PullRequestState
from tuner.repository.repository import Repository
from tuner.value import Value

__all__ = ["Comment", "Effect", "Open", "Present", "Push", "Update", "perform"]


class Push(Value):
    """Move the branch to the commit, if it is still where it was seen (None: not there)."""

    kind: Literal["push"] = "push"
    branch: str
    sha: str
    expected: str | None


class Open(Value):
    """Open the pull request of the pushed branch."""

    kind: Literal["open"] = "open"
    branch: str
    base: str
    title: str
    body: str
    draft: bool = False


class Present(Value):
    """Label the branch's open pull request and ask for its reviews."""

    kind: Literal["present"] = "present"
    branch: str
    labels: tuple[str, ...]
    reviewers: tuple[str, ...]


class Update(Value):
    """Replace title and body of the open pull request."""

    kind: Literal["update"] = "update"
    number: int
    title: str
    body: str
    draft: bool = False


class Comment(Value):
    """Say something once: a pull request that has a comment with the ``token`` gets no second one."""

    kind: Literal["comment"] = "comment"
    number: int
    token: str
    text: str


Effect = Annotated[Push | Open | Present | Update | Comment, Field(discriminator="kind")]


def perform(effect: Push | Open | Present | Update | Comment, repository: Repository, forge: Forge) -> None:
    """Do it; what is done already is left alone.

    TemporaryError where another process was first: look again and plan anew.
    """
    match effect:
        case Push():
            repository.push(effect.branch, effect.sha, expected=effect.expected)
        case Open():
            forge.open(branch=effect.branch, base=effect.base, title=effect.title, body=effect.body, draft=effect.draft)
        case Present():
            for pull in forge.find(effect.branch):
                if pull.state is PullRequestState.OPEN:
                    forge.present(pull.number, labels=effect.labels, reviewers=effect.reviewers)
        case Update():
            forge.update(effect.number, title=effect.title, body=effect.body, draft=effect.draft)
        case Comment():
            forge.comment(effect.number, f"{effect.text}\n\n{effect.token}", token=effect.token)
