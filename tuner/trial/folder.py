"""The folder of one trial: rendered files, the server's log, the outcome. No earlier one is overwritten."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from tuner.errors import TemporaryError

__all__ = ["LOG", "full", "prepare_folder", "write_whole"]

LOG = "server.log"
_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,98}[a-z0-9])?")


def prepare_folder(trials: Path, name: str) -> Path:
    """An empty folder ``trials/name``; an earlier one, of a try that was cut off, is kept as ``name.1`` and so on.

    ValueError for a name that is no plain file name. TemporaryError where the disk does not let us.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a name for a trial: {name!r}")
    folder = trials / name
    try:
        trials.mkdir(parents=True, exist_ok=True)
        if folder.is_symlink() or folder.exists():
            folder.rename(_unused(folder))
        folder.mkdir()
    except OSError as error:
        raise TemporaryError(f"cannot prepare {folder}: {error.strerror}", delay=5.0) from error
    return folder.resolve()


def write_whole(file: Path, content: str | bytes) -> None:
    """Write a file completely or not at all, through to the disk. TemporaryError where that fails."""
    draft = file.with_name(f".{file.name}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(file)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise TemporaryError(f"cannot write {file}: {error.strerror}", delay=5.0) from error


def full(folder: Path) -> bool:
    """Whether the disk that holds this folder is full (less than 64 KiB or no file left)."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize < 64 * 1024 or (disk.f_files > 0 and disk.f_favail == 0)


def _unused(folder: Path) -> Path:
    number = 1
    while (other := folder.with_name(f"{folder.name}.{number}")).exists():
        number += 1
    return other
