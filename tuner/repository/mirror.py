"""One branch of a remote in a bare, shallow repository: what a watcher needs to see what changed, and no more.

A look asks the remote where the branch is and stops there when that is known. The first fetch brings one commit, later
ones what was committed since. Nothing is ever pushed from a mirror.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tuner.errors import PermanentError, UserError
from tuner.repository.address import Access, Address
from tuner.repository.git import Git
from tuner.repository.path import checked
from tuner.repository.reference import branch_ref, is_sha, local_refs
from tuner.repository.remote import Remote
from tuner.repository.tree import REGULAR, changed_files

__all__ = ["Mirror", "Tip"]

_HEAD = "refs/tuner/mirror"
_LISTING = 32 << 20
_BATCH = 8 << 20
"""Bytes of files that are read by one git process."""
_PATHS = 200
"""Paths that are asked for by one git process."""
_MOST_PACKS = 50
_MOST_LOOSE = 5_000


@dataclass(frozen=True, slots=True)
class Tip:
    """Where the remote's branch is."""

    branch: str
    sha: str


@dataclass(frozen=True, slots=True)
class Mirror:
    """The mirror of ``branch`` (None: of the remote's own default branch).

    Every method may raise what ``tuner.repository.failure`` makes of git's words, as ``Repository`` does.
    """

    git: Git = field(repr=False)
    remote: Remote
    branch: str | None = None

    @classmethod
    def open(
        cls,
        url: str,
        folder: Path,
        *,
        branch: str | None = None,
        local: bool = False,
        access: Callable[[], Access] | None = None,
    ) -> Self:
        """The mirror in ``folder``, made where it is not there; one of another address is replaced."""
        remote = Remote(Address.parse(url, local=local), access)
        git = Git(folder, folder)
        try:
            if (folder / "HEAD").is_file():
                known = git.run("config", "--get", "tuner.remote", accept=(0, 1)).text
                if known == remote.address.url:
                    return cls(git, remote, branch)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        except OSError as error:
            raise PermanentError(f"{folder} cannot be written: {error.strerror}") from error
        git = Git(folder, folder)
        Git(folder).run("init", "--quiet", "--bare", "--template=", "--initial-branch=main", str(folder))
        git.run("config", "tuner.remote", remote.address.url)
        return cls(git, remote, branch)

    def tip(self) -> Tip:
        """Ask the remote where the branch is. UserError where it has no such branch or no commit."""
        name = "HEAD" if self.branch is None else branch_ref(self.branch)
        found = self.remote.ask(self.git, name)
        branch = found.head if self.branch is None else self.branch
        sha = found.refs.get(branch_ref(branch)) if branch else None
        if branch and sha is None and self.branch is None:
            sha = found.refs.get("HEAD")
        if branch is None or sha is None:
            what = f"has no branch {self.branch}" if self.branch else "has no default branch with a commit"
            raise UserError.of(f"{self.remote.address} {what}", "name the protected branch in the configuration")
        return Tip(branch, sha)

    def fetch(self, tip: Tip) -> str:
        """Bring the branch here; the SHA that it has now, which may be newer than the tip that was asked for."""
        shallow = () if _HEAD in local_refs(self.git, "refs/tuner") else ("--depth=1",)
        self.remote.fetch_one(self.git, f"+{branch_ref(tip.branch)}:{_HEAD}", shallow)
        return local_refs(self.git, "refs/tuner")[_HEAD]

    def holds(self, sha: str) -> bool:
        """Whether the commit is here."""
        return is_sha(sha) and self.git.run("cat-file", "-e", f"{sha}^{{commit}}", accept=(0, 1, 128)).status == 0

    def rewritten(self, old: str, new: str) -> bool:
        """Whether the branch went from one commit to another that does not have it in its history."""
        return self.git.run("merge-base", "--is-ancestor", old, new, accept=(0, 1, 128)).status != 0

    def files(self, sha: str, wanted: Callable[[str], bool]) -> Mapping[str, str]:
        """Blob by path of the plain files of a commit whose path is wanted; no link, no name that may not be read."""
        raw = self.git.listing("ls-tree", "-r", "-z", "--full-tree", sha, limit=_LISTING)
        return {path: blob for path, blob in _plain(raw) if wanted(path) and _readable(path)}

    def changed(self, old: str, new: str) -> Sequence[str]:
        """Paths that differ between two commits; the work is that of the change, not of the repository."""
        return changed_files(self.git, old, new)

    def blobs(self, sha: str, paths: Sequence[str]) -> Mapping[str, str]:
        """Blob by path, of those paths that are plain files in the commit."""
        found: dict[str, str] = {}
        readable = [path for path in paths if _readable(path)]
        for start in range(0, len(readable), _PATHS):
            some = readable[start : start + _PATHS]
            raw = self.git.listing("ls-tree", "-z", "--full-tree", sha, "--", *some, limit=_LISTING)
            found |= {path: blob for path, blob in _plain(raw) if path in some}
        return found

    def read(self, blobs: Sequence[str], largest: int) -> Iterator[tuple[str, bytes | None]]:
        """Each blob's bytes, in this order; None for one that is larger than ``largest`` or not here."""
        for batch in self._batches(blobs, largest):
            asked = [sha for sha, size in batch if size is not None]
            raw = _Collected()
            if asked:
                self.git.run("cat-file", "--batch", stdin="\n".join([*asked, ""]).encode(), into=raw)
            rest = memoryview(raw.bytes)
            for sha, size in batch:
                if size is None:
                    yield sha, None
                    continue
                start = bytes(rest[:256]).index(b"\n") + 1
                yield sha, bytes(rest[start : start + size])
                rest = rest[start + size + 1 :]

    def crowded(self) -> bool:
        """Whether so much has been fetched that a new mirror is cheaper: nothing here collects garbage."""
        packs = self.git.git_dir or self.git.folder
        count = dict(line.split(": ") for line in Git(packs, packs).run("count-objects", "-v").text.splitlines())
        return int(count["packs"]) > _MOST_PACKS or int(count["count"]) > _MOST_LOOSE

    def remove(self) -> None:
        """Delete it; the next ``open`` makes it anew."""
        shutil.rmtree(self.git.folder, ignore_errors=True)

    def _batches(self, blobs: Sequence[str], largest: int) -> Iterator[list[tuple[str, int | None]]]:
        if not blobs:
            return
        asked = "".join(f"{sha}\n" for sha in blobs).encode()
        answers = self.git.run("cat-file", "--batch-check=%(objecttype) %(objectsize)", stdin=asked).text
        batch: list[tuple[str, int | None]] = []
        total = 0
        for sha, line in zip(blobs, answers.split("\n"), strict=True):
            kind, _, size = line.partition(" ")
            fits = kind == "blob" and int(size) <= largest
            batch.append((sha, int(size) if fits else None))
            total += int(size) if fits else 0
            if total >= _BATCH:
                yield batch
                batch, total = [], 0
        if batch:
            yield batch


class _Collected:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.bytes = bytearray()

    def write(self, chunk: bytes, /) -> int:
        self.bytes += chunk
        return len(chunk)


def _plain(raw: bytes) -> Iterator[tuple[str, str]]:
    """Path and blob of the plain files in a listing."""
    for line in raw.split(b"\0"):
        head, _, name = line.partition(b"\t")
        mode, _, rest = head.partition(b" ")
        if mode.decode("ascii") in REGULAR:
            yield name.decode(errors="surrogateescape"), rest.rpartition(b" ")[2].decode("ascii")


def _readable(path: str) -> bool:
    try:
        return checked(path) == path and "\n" not in path
    except UserError:
        return False
