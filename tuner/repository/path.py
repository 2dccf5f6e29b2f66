"""Paths inside a repository: relative, normalised, and never out of it."""

from __future__ import annotations

import re

from tuner.errors import UserError

__all__ = ["checked", "parents", "relative"]

_LONGEST = 1024
_GIT_FOLDER = re.compile(r"^(?:\.git|git~\d+)[ .]*$", re.IGNORECASE)
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")


def checked(path: str) -> str:
    """The path itself, where it is one that tuner reads and writes: ``a/b/c`` from the top of the repository.

    Raises UserError with what is wrong for an absolute path, ``.`` and ``..``, an empty part, ``.git`` in any spelling
    that some file system takes for it, a backslash, a control or invisible character, and over 1,024 bytes.
    """
    wrong = _what_is_wrong(path)
    if wrong:
        raise UserError.of(f"the path {shown(path)} {wrong}", "name a file inside the repository, relative to its top")
    return path


def relative(folder: str, path: str) -> str:
    """The path, as written in a file in ``folder``, from the top of the repository; ``""`` is the top itself.

    ``folder`` is ``""`` or a checked path. ``..`` may go up, but not out: UserError.
    """
    if path.startswith("/"):
        raise UserError.of(f"the path {shown(path)} is absolute", "write it relative to the spec's folder")
    parts = folder.split("/") if folder else []
    for part in path.split("/"):
        if part in ("", "."):
            continue
        if part != "..":
            parts.append(part)
        elif parts:
            parts.pop()
        else:
            raise UserError.of(
                f"the path {shown(path)} leaves the repository", "everything that a spec names is in its repository"
            )
    return checked("/".join(parts)) if parts else ""


def parents(path: str) -> list[str]:
    """The folders above a path, the outermost first: of ``a/b/c`` they are ``a`` and ``a/b``."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def shown(path: str) -> str:
    """A path for a message: quoted, escaped and cut, whatever is in it."""
    text = ascii(path) if not path.isprintable() else repr(path)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _what_is_wrong(path: str) -> str | None:
    if not path:
        return "is empty"
    if "\0" in path:
        return "has a NUL character"
    if any(ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 or 0xD800 <= ord(char) < 0xE000 for char in path):
        return "has a control character or is not UTF-8"
    if len(path.encode()) > _LONGEST:
        return f"is longer than {_LONGEST} bytes"
    if path.startswith("/"):
        return "is absolute"
    if "\\" in path:
        return "has a backslash"
    parts = path.split("/")
    if ".." in parts:
        return "leaves its folder with `..`"
    if "" in parts or "." in parts:
        return "has an empty part or `.`"
    if any(_GIT_FOLDER.match(_INVISIBLE.sub("", part)) for part in parts):
        return "goes into `.git`"
    if _INVISIBLE.search(path):
        return "has an invisible character"
    return None
