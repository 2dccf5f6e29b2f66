"""A file that a person named on the command line."""

from __future__ import annotations

from pathlib import Path

from tuner.errors import UserError

__all__ = ["read_named"]


def read_named(path: Path, most: int) -> bytes:
    """Its bytes, and one more than ``most`` where it is larger: whoever asks refuses that. UserError for no file."""
    try:
        with path.open("rb") as stream:
            return stream.read(most + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is no file name"
        raise UserError.of(f"cannot be read: {reason.lower()}", "check the path", file=str(path)) from error
