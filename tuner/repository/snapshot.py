"""One commit's files, read straight from Git's objects: no work tree, no filter, no link followed."""

from __future__ import annotations

import hashlib
import os
import posixpath
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from tuner.errors import PermanentError, UserError
from tuner.repository.git import Git
from tuner.repository.path import checked, parents, shown
from tuner.repository.tree import FOLDER, REGULAR, kind_of

__all__ = ["Entry", "Snapshot"]

_MEBIBYTE = 1 << 20
_LISTING = 32 * _MEBIBYTE
"""Of names alone, some 400,000 files."""
_LONGEST = 4 * _MEBIBYTE
"""With sizes, for which git has to look at each file."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a commit has at a path. ``size`` in bytes; None for what is no file."""

    path: str
    mode: str
    sha: str
    size: int | None

    @property
    def regular(self) -> bool:
        """Whether it is a plain file, executable or not."""
        return self.mode in REGULAR

    @property
    def kind(self) -> str:
        """What it is, for a message."""
        return kind_of(self.mode)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An immutable view of the commit ``sha``. Every name a method takes is checked first (``tuner.repository.path``).

    All methods raise PermanentError where the repository is damaged.
    """

    sha: str
    git: Git = field(repr=False, compare=False)
    largest: int = 16 * _MEBIBYTE
    """Bytes above which ``read`` refuses a file."""

    def entry(self, path: str) -> Entry | None:
        """What is at the path, of any kind; None where there is nothing. A link on the way is not followed: None."""
        found = list(
            _entries(
                self.git.listing("ls-tree", "-z", "-l", "--full-tree", "--", self.sha, checked(path), limit=_LONGEST)
            )
        )
        return found[0] if len(found) == 1 and found[0].path == path else None

    def read(self, path: str) -> bytes:
        """The bytes of a plain file. UserError: nothing there, a link, a submodule, a folder, or over ``largest``."""
        entry = self._file(path)
        if entry.size is None or entry.size > self.largest:
            raise UserError.of(f"{shown(path)} is larger than {self.largest:,} bytes", "this file cannot be so large")
        raw = self.git.run("cat-file", "blob", entry.sha).stdout
        digest = _digest(entry)
        digest.update(raw)
        _verify(entry, digest)
        return raw

    def files(self, folder: str = "") -> tuple[str, ...]:
        """Paths of the plain files below a folder (``""``: all), sorted; UserError where there is no such folder.

        Links, submodules and names that ``checked`` refuses are left out: nothing can be read from them.
        """
        return tuple(
            entry.path for entry in self._below(folder, limit=_LISTING) if entry.regular and _is_named_well(entry.path)
        )

    def links(self, folder: str = "") -> tuple[str, ...]:
        """Paths below a folder that ``files`` leaves out: links, submodules, names that are refused."""
        readable = set(self.files(folder))
        return tuple(entry.path for entry in self._below(folder, limit=_LISTING) if entry.path not in readable)

    def holding(self, texts: Sequence[str]) -> tuple[str, ...]:
        """Paths of the plain files that hold one of these texts, sorted; files of every kind count as text."""
        words = [part for text in texts for part in ("-e", text)]
        options = ("--files-with-matches", "--text", "--fixed-strings", "-z", "--full-name")
        answer = self.git.run("grep", *options, *words, self.sha, accept=(0, 1))
        prefix = f"{self.sha}:".encode()
        found = (os.fsdecode(line.removeprefix(prefix)) for line in answer.stdout.split(b"\0") if line)
        return tuple(sorted(path for path in found if _is_named_well(path)))

    def export(self, path: str, to: Path, *, largest: int = 4096 * _MEBIBYTE, most: int = 10_000) -> tuple[str, ...]:
        """Write the files below a folder, or one file, into the new or empty folder ``to``, mode 0644; their names.

        All or nothing: ``to`` appears complete or not at all. UserError where the folder holds a link, a submodule,
        a bad name, more than ``most`` files or ``largest`` bytes altogether; PermanentError where ``to`` cannot be
        written.
        """
        single = self.entry(path) if path else None
        entries = [single] if single and single.regular else self._below(path, "-l", limit=_LONGEST)
        for entry in entries:
            checked(entry.path)
            if not entry.regular:
                raise UserError.of(
                    f"{shown(entry.path)} is {entry.kind}", "only plain files can be used: commit a copy"
                )
        total = sum(entry.size or 0 for entry in entries)
        if len(entries) > most or total > largest:
            raise UserError.of(
                f"{shown(path)} has {len(entries):,} files and {total:,} bytes, "
                f"over the limit of {most:,} files or {largest:,} bytes"
            )
        above = path if single is None or not single.regular else posixpath.dirname(path)
        names = tuple(entry.path[len(above) + 1 if above else 0 :] for entry in entries)
        try:
            self._write_all(dict(zip(names, entries, strict=True)), to)
        except OSError as error:
            raise PermanentError(f"{to} cannot be written: {error.strerror or error}") from error
        return names

    def _file(self, path: str) -> Entry:
        entry = self.entry(path)
        if entry is None:
            raise UserError.of(f"{shown(path)} {self._why_missing(path)} in commit {self.sha[:12]}")
        if not entry.regular:
            raise UserError.of(f"{shown(path)} is {entry.kind}, not a file", "only plain files can be used")
        return entry

    def _why_missing(self, path: str) -> str:
        for above in parents(path):
            entry = self.entry(above)
            if entry is None:
                break
            if entry.mode != FOLDER:
                return f"cannot be read: {shown(above)} is {entry.kind}"
        return "does not exist"

    def _below(self, folder: str, *options: str, limit: int) -> list[Entry]:
        tree = self.sha
        if folder:
            entry = self.entry(folder)
            if entry is None:
                raise UserError.of(f"{shown(folder)} {self._why_missing(folder)} in commit {self.sha[:12]}")
            if entry.mode != FOLDER:
                raise UserError.of(f"{shown(folder)} is {entry.kind}, not a folder")
            tree = entry.sha
        raw = self.git.listing("ls-tree", "-r", "-z", *options, "--full-tree", tree, limit=limit)
        prefix = f"{folder}/" if folder else ""
        return sorted(_entries(raw, prefix), key=lambda entry: entry.path)

    def _write_all(self, files: dict[str, Entry], to: Path) -> None:
        to.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{to.name}.", dir=to.parent) as scratch:
            whole = Path(scratch) / "export"
            whole.mkdir()
            for name, entry in files.items():
                place = whole / name
                place.parent.mkdir(parents=True, exist_ok=True)
                with place.open("xb") as file:
                    self._copy(entry, file)
                place.chmod(0o644)
            with suppress(FileNotFoundError):
                to.rmdir()
            whole.rename(to)

    def _copy(self, entry: Entry, file: IO[bytes]) -> None:
        target = _Hashed(file, _digest(entry))
        self.git.run("cat-file", "blob", entry.sha, into=target)
        if target.failed is not None:
            raise target.failed
        _verify(entry, target.digest)


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


class _Hashed:
    """A file that knows the digest of what was written; a failure to write is kept so that git can finish."""

    def __init__(self, file: IO[bytes], digest: _Digest) -> None:
        self._file = file
        self.digest = digest
        self.failed: OSError | None = None

    def write(self, chunk: bytes) -> int:
        self.digest.update(chunk)
        if self.failed is None:
            try:
                self._file.write(chunk)
            except OSError as error:
                self.failed = error
        return len(chunk)


def _digest(entry: Entry) -> _Digest:
    """Git's own hash of a blob: over the word, the size and the bytes."""
    name = "sha1" if len(entry.sha) == 40 else "sha256"
    digest = hashlib.new(name, usedforsecurity=False)
    digest.update(b"blob %d\0" % (entry.size or 0))
    return digest


def _verify(entry: Entry, digest: _Digest) -> None:
    if digest.hexdigest() != entry.sha:
        raise PermanentError(f"the repository is damaged: the bytes of {shown(entry.path)} do not match their hash")


def _entries(raw: bytes, prefix: str = "") -> Iterator[Entry]:
    for line in raw.split(b"\0"):
        if line:
            head, _, name = line.partition(b"\t")
            mode, _, sha, size = [*head.decode("ascii").split(), "-"][:4]
            if size == "BAD":
                raise PermanentError(f"the repository is damaged: {shown(os.fsdecode(name))} is missing")
            yield Entry(prefix + os.fsdecode(name), mode, sha, None if size == "-" else int(size))


def _is_named_well(path: str) -> bool:
    try:
        checked(path)
    except UserError:
        return False
    return True
