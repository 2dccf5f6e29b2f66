"""What a model's files say about its cost, before anything runs. The files are not trusted."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tuner.experience.model import ModelFeatures
from tuner.experience.onnx import read_graph
from tuner.experience.wire import BrokenMessageError, Message

__all__ = ["Seen", "features_of"]

MOST_ENTRIES = 10_000
"""Files and folders that are looked at."""
LARGEST = 2**41
"""Bytes of a file that is read; how much of it is read has limits of its own."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The features, or why there are none."""

    features: ModelFeatures | None
    reason: str = ""


def features_of(model: Path) -> Seen:
    """The features of an ONNX file, or of the largest one in a folder. Never raises: a broken file is a reason.

    Links below the folder are not followed. ``size`` counts the file, and the files for weights that it names within
    its folder.
    """
    try:
        path = _largest(model) if model.is_dir() else model
        if path is None:
            return Seen(None, f"there is no ONNX file in {model.name}")
        if path.suffix.lower() != ".onnx":
            return Seen(None, f"{path.name} is not an ONNX file")
        with _opened(path) as message:
            graph = read_graph(message)
            size = message.size + _beside(path.parent, graph.places)
    except BrokenMessageError as error:
        return Seen(None, f"{model.name} is no ONNX model that can be read: {error}")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Seen(None, f"{model.name} cannot be read: {reason}")
    if size > LARGEST:
        return Seen(None, f"{model.name} is larger than any model")
    features = ModelFeatures(size=size, parameters=graph.parameters, operations=graph.operations, depth=graph.depth)
    return Seen(features)


def _largest(folder: Path) -> Path | None:
    """The largest regular ``.onnx`` file below the folder; of equal ones the first by name."""
    found = [(-size, path) for path, size in _files(folder) if path.suffix.lower() == ".onnx"]
    return min(found)[1] if found else None


def _files(folder: Path) -> Iterator[tuple[Path, int]]:
    waiting, seen = [folder], 0
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                seen += 1
                if seen > MOST_ENTRIES:
                    return
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                elif entry.is_file(follow_symlinks=False):
                    yield Path(entry.path), entry.stat(follow_symlinks=False).st_size


@contextmanager
def _opened(path: Path) -> Iterator[Message]:
    """The file as a message; without waiting, where it is no file at all."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is no regular file")
        yield Message(descriptor, status.st_size)
    finally:
        os.close(descriptor)


def _beside(folder: Path, places: Iterable[str]) -> int:
    """Bytes of the files for weights that lie in the folder; others, and links, are not looked at."""
    total = 0
    for place in places:
        parts = Path(place).parts
        if not parts or Path(place).is_absolute() or ".." in parts or "\0" in place:
            continue
        path = folder
        try:
            for part in parts:
                path = path / part
                status = path.lstat()
                if stat.S_ISLNK(status.st_mode):
                    break
            else:
                total += status.st_size if stat.S_ISREG(status.st_mode) else 0
        except OSError:
            continue  # a file that is not there has no size
    return total
