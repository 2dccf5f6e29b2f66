"""What a repository asks for: the specs on its protected branch, each with the campaign that its last commit means."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from tuner.campaign.target import Target
from tuner.errors import UserError
from tuner.repository.repository import Repository
from tuner.spec.find import is_spec_name
from tuner.spec.loading import load_spec

__all__ = ["Found", "find_targets"]


@dataclass(frozen=True, slots=True)
class Found:
    """A spec of the branch: its campaign, or what is wrong with it."""

    spec_path: str
    target: Target | None
    error: UserError | None = None


def find_targets(repository: Repository, branch: str) -> Iterator[Found]:
    """Every ``tuning*.yaml`` of the branch's head, by path. One that is wrong does not hide the others."""
    snapshot = repository.snapshot(repository.resolve(branch))
    for path in snapshot.files():
        if not is_spec_name(posixpath.basename(path)):
            continue
        try:
            name = load_spec(snapshot.read(path), path).spec.metadata.name
            yield Found(path, Target.of(repository, path, branch, name))
        except UserError as error:
            yield Found(path, None, error)
