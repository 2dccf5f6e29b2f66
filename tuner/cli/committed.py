"""What is committed counts: a spec named by its file is the one that the protected branch has."""

from __future__ import annotations

from pathlib import Path

from tuner.errors import UserError
from tuner.repository.repository import Repository

__all__ = ["path_in_repository", "refuse_uncommitted"]


def path_in_repository(repository: Repository, path: Path) -> str:
    """The path that the repository knows the file by. UserError where it is outside, or a folder."""
    if path.is_dir():
        raise UserError.of("this is a folder", "name the spec itself, for example tuning.yaml in it", file=str(path))
    try:
        return (path.parent.resolve() / path.name).relative_to(repository.folder.resolve()).as_posix()
    except ValueError as error:
        raise UserError.of(f"{path} is not inside {repository.folder}", "name the spec by its path") from error


def refuse_uncommitted(repository: Repository, branch: str, name: str, path: Path) -> None:
    """UserError where the branch has no such file, or another one than the work tree: a difference would surprise."""
    snapshot = repository.snapshot(repository.resolve(branch))
    if snapshot.entry(name) is None:
        raise UserError.of(f"{name} is not committed on {branch}", "commit it: tuner works on commits", file=str(path))
    if path.is_file() and not path.is_symlink() and path.read_bytes() != snapshot.read(name):
        raise UserError.of(f"{name} differs from {branch}", "commit the change, or discard it", file=str(path))
