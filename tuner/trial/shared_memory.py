"""Segments in ``/dev/shm`` that a server mapped and cannot remove any more once it was killed.

Standard library only: the keeper runs it in a bare interpreter.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

__all__ = ["existing", "mapped", "remove"]

_FOLDER = Path("/dev/shm")  # noqa: S108 - where the kernel keeps POSIX shared memory


def existing() -> frozenset[Path]:
    """The segments that there are now."""
    try:
        return frozenset(_FOLDER.iterdir())
    except OSError:
        return frozenset()


def mapped(pids: Iterable[int]) -> frozenset[Path]:
    """The segments that these processes have mapped."""
    found: set[Path] = set()
    for pid in pids:
        with suppress(OSError, UnicodeDecodeError):
            for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
                path = Path(line.split(maxsplit=5)[-1])
                if path.parent == _FOLDER:
                    found.add(path)
    return frozenset(found)


def remove(segments: Iterable[Path]) -> None:
    """Remove these segments; those that have gone already, or are not ours to remove, are passed over."""
    for path in segments:
        with suppress(OSError):
            path.unlink()
