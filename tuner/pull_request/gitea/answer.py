"""What Gitea and Forgejo answer: the fields that are read, whatever else a version sends."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, RootModel

__all__ = [
    "BranchAnswer",
    "CommentAnswer",
    "CompareAnswer",
    "LabelAnswer",
    "PermissionAnswer",
    "PullAnswer",
    "RefsAnswer",
    "StatusAnswer",
    "UserAnswer",
]

_Text = Annotated[str, BeforeValidator(lambda text: "" if text is None else text)]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class UserAnswer(_Answer):
    """A user."""

    login: str


class LabelAnswer(_Answer):
    """A label of the repository or of its organisation."""

    id: int
    name: str


class _Branch(_Answer):
    label: str
    sha: str
    repo_id: int


class PullAnswer(_Answer):
    """A pull request. ``head.label`` is the branch's name, also after the branch was deleted."""

    number: int
    state: str
    merged: bool = False
    merge_commit_sha: str | None = None
    draft: bool = False
    title: str
    body: _Text = ""
    html_url: str
    updated_at: AwareDatetime
    user: UserAnswer | None = None
    head: _Branch
    base: _Branch
    labels: tuple[LabelAnswer, ...] | None = ()
    requested_reviewers: tuple[UserAnswer | None, ...] | None = ()


class CommentAnswer(_Answer):
    """A comment; ``user`` is missing where the account is gone."""

    id: int
    body: _Text
    user: UserAnswer | None = None


class StatusAnswer(_Answer):
    """A status of a commit."""

    id: int
    status: str
    context: str
    description: _Text = ""
    target_url: _Text = ""


class PermissionAnswer(_Answer):
    """What a user may do: none, read, write, admin or owner."""

    permission: str


class _Object(_Answer):
    sha: str


class RefAnswer(_Answer):
    """A reference and the commit that it names."""

    ref: str
    object: _Object


class RefsAnswer(RootModel[tuple[RefAnswer, ...]]):
    """All references whose names begin as asked."""


class BranchAnswer(_Answer):
    """A branch."""

    name: str


class CompareAnswer(_Answer):
    """How many commits one branch has that another lacks."""

    total_commits: int
