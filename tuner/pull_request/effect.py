"""What a proposal does to the outside: few steps, each of which may be repeated without harm.

They are values, so that a campaign can record the intent before a step and its completion after it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tuner.pull_request.protocol import Forge
from tuner.repository.repository import Repository
from tuner.value import Value

__all__ = ["Comment", "Effect", "Open", "Push", "Update", "perform"]


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


class Update(Value):
    """Replace title and body of the open pull request."""

    kind: Literal["update"] = "update"
    number: int
    title: str
    body: str


class Comment(Value):
    """Say something once: a pull request that has a comment with the ``token`` gets no second one."""

    kind: Literal["comment"] = "comment"
    branch: str
    number: int
    token: str
    text: str


Effect = Annotated[Push | Open | Update | Comment, Field(discriminator="kind")]


def perform(effect: Push | Open | Update | Comment, repository: Repository, forge: Forge) -> None:
    """Do it; what is done already is left alone.

    TemporaryError where another process was first: look again and plan anew.
    """
    match effect:
        case Push():
            repository.push(effect.branch, effect.sha, expected=effect.expected)
        case Open():
            forge.open(branch=effect.branch, base=effect.base, title=effect.title, body=effect.body)
        case Update():
            forge.update(effect.number, title=effect.title, body=effect.body)
        case Comment():
            pulls = [pull for pull in forge.find(effect.branch) if pull.number == effect.number]
            if not any(effect.token in comment for pull in pulls for comment in pull.comments):
                forge.comment(effect.number, f"{effect.text}\n\n{effect.token}")
