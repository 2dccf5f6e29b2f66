"""Which files are specs: those named, and every ``tuning*.yaml`` below the folders named."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from tuner.errors import Problem, UserError

__all__ = ["find_specs", "is_spec_name"]


def is_spec_name(name: str) -> bool:
    """Whether a file of this name in a folder is a spec: ``tuning*.yaml`` or ``tuning*.yml``."""
    return name.startswith("tuning") and name.endswith((".yaml", ".yml"))


def find_specs(paths: Iterable[Path]) -> tuple[Path, ...]:
    """The files themselves and the specs below the folders, each once, in the order given and by name below it.

    Hidden folders are skipped and symbolic links are not followed. UserError for a path that is not there, for a link
    in the place of a spec, and for a folder without any spec.
    """
    found: dict[Path, None] = {}
    problems: list[Problem] = []
    for path in paths:
        files = _below(path, problems) if path.is_dir() and not path.is_symlink() else _named(path, problems)
        found.update(dict.fromkeys(files))
    if problems:
        raise UserError(problems)
    return tuple(found)


def _named(path: Path, problems: list[Problem]) -> list[Path]:
    if path.is_symlink():
        problems.append(Problem("this is a symbolic link", "name the file itself", str(path)))
    elif not path.exists():
        problems.append(Problem("there is no such file or folder", "check the path", str(path)))
    else:
        return [path]
    return []


def _below(folder: Path, problems: list[Problem]) -> list[Path]:
    found: list[Path] = []
    links = 0
    for parent, folders, files in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(parent, name)
            if is_spec_name(name) and path.is_symlink():
                links += 1
                problems.append(Problem("this is a symbolic link", "commit the file itself", str(path)))
            elif is_spec_name(name):
                found.append(path)
    if not found and not links:
        problems.append(Problem("there is no spec in this folder", "name one tuning.yaml", str(folder)))
    return found
