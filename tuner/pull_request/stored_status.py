"""The statuses of a commit as they are kept in Git: ``refs/tuner/statuses/<sha>``, one file for each context."""

from __future__ import annotations

import json
from datetime import datetime

from pydantic import ValidationError

from tuner.errors import PermanentError, UserError
from tuner.pull_request.protocol import Status
from tuner.repository.commit import Identity
from tuner.repository.reference import RefUpdate, is_sha
from tuner.repository.repository import Repository
from tuner.value import digest_of

__all__ = ["read_status", "write_status"]

_STATUSES = "refs/tuner/statuses"


def read_status(repository: Repository, commit: str, context: str) -> Status | None:
    """What is written down; None where nothing is. PermanentError where it cannot be read."""
    tip, path = repository.refs(_ref(commit)).get(_ref(commit)), _path(context)
    if tip is None or repository.snapshot(tip).entry(path) is None:
        return None
    try:
        return Status.model_validate(json.loads(repository.snapshot(tip).read(path)))
    except (ValueError, ValidationError) as error:
        raise PermanentError(f"the status in commit {tip[:12]} cannot be read: {error}") from error


def write_status(repository: Repository, commit: str, status: Status, *, who: Identity, date: datetime) -> None:
    """Write it down. ContendedError where another process was first; UserError for a commit that is not here."""
    if repository.resolve(commit) != commit:
        raise UserError.of(f"{commit} is not a full SHA")
    tip = repository.refs(_ref(commit)).get(_ref(commit))
    sha = repository.commit(
        parent=tip,
        changes={_path(status.context): (status.model_dump_json(indent=2) + "\n").encode()},
        message=f"{status.context}: {status.state}",
        date=date,
        author=who,
    )
    repository.swap([RefUpdate(_ref(commit), sha, tip)])


def _ref(commit: str) -> str:
    if not is_sha(commit):
        raise UserError.of(f"{commit!r} is not a full SHA")
    return f"{_STATUSES}/{commit}"


def _path(context: str) -> str:
    return f"{digest_of(context).removeprefix('sha256:')[:16]}.json"
