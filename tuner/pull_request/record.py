"""A pull request as it is kept in Git: ``refs/tuner/pulls/<number>`` is a chain of commits, one for each change to it.

The tree of each commit has ``pull.json``, ``body.md`` and ``comments/0001.md`` …; ``git log refs/tuner/pulls/7`` is its
history. The proposed commit is a further parent, so that nothing of a declined proposal is ever lost to a clean-up.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from pydantic import Field, ValidationError, field_validator

from tuner.errors import PermanentError
from tuner.pull_request.protocol import PullRequestState
from tuner.repository.repository import Repository
from tuner.repository.snapshot import Snapshot
from tuner.value import Value

__all__ = ["PULLS", "Record", "ref_of", "stored_numbers"]

PULLS = "refs/tuner/pulls"


class Record(Value):
    """What is written down. ``head`` is the branch's commit when the record was written."""

    number: int = Field(ge=1)
    branch: str
    base: str
    head: str
    state: PullRequestState
    title: str = Field(min_length=1, max_length=500)
    author: str
    opened: datetime
    closed: datetime | None = None
    reason: str = ""
    merge_commit: str | None = None
    draft: bool = False
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    commenters: tuple[str, ...] = ()
    """Who wrote each comment, as far as it is known: a record may be older than this field."""
    body: str = Field(exclude=True)
    comments: tuple[str, ...] = Field(default=(), exclude=True)

    @field_validator("title")
    @classmethod
    def _one_line(cls, title: str) -> str:
        if not title.isprintable():
            raise ValueError("a title is one line of text")
        return title

    def files(self) -> Mapping[str, bytes]:
        """Content by path in the record's tree."""
        comments = {f"comments/{count:04d}.md": text for count, text in enumerate(self.comments, start=1)}
        texts = {"pull.json": self.model_dump_json(indent=2) + "\n", "body.md": self.body, **comments}
        return {path: text.encode() for path, text in texts.items()}

    @classmethod
    def read(cls, snapshot: Snapshot) -> Record:
        """The record in a commit; PermanentError where it is not one."""
        try:
            fields = json.loads(snapshot.read("pull.json"))
            body = snapshot.read("body.md").decode()
            names = [name for name in snapshot.files() if name.startswith("comments/")]
            comments = tuple(snapshot.read(name).decode() for name in names)
            return cls.model_validate({**fields, "body": body, "comments": comments})
        except (ValueError, TypeError, ValidationError) as error:
            raise PermanentError(f"the pull request in commit {snapshot.sha[:12]} cannot be read: {error}") from error


def ref_of(number: int) -> str:
    """Full name of the reference that holds a pull request."""
    return f"{PULLS}/{number}"


def stored_numbers(repository: Repository) -> Mapping[int, str]:
    """SHA of the record of each pull request, by number, lowest first."""
    found = {}
    for ref, sha in repository.refs(PULLS).items():
        number = ref.removeprefix(f"{PULLS}/")
        if number.isascii() and number.isdigit() and not number.startswith("0"):
            found[int(number)] = sha
    return dict(sorted(found.items()))
