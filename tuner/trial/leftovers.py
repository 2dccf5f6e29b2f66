"""Files outside its folder that a killed server leaves, as its engine names them (shared memory, mostly).

Standard library only: the keeper runs it in a bare interpreter.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

__all__ = ["remove"]


def remove(patterns: Iterable[str]) -> None:
    """Remove the files that these absolute glob patterns match; folders and what is not ours are passed over."""
    for pattern in patterns:
        root, _, rest = pattern.partition("/")
        if root or not rest:
            continue  # not absolute
        with suppress(OSError):
            for path in Path("/").glob(rest):
                with suppress(OSError):
                    path.unlink()
