"""The one door to a Git repository: reading commits, making commits, moving branches.

A ``Repository`` is either local (``open``: the repository itself, bare or with a work tree) or a bare clone of a remote
(``clone``): then moving a branch means pushing it. No user's configuration, index or identity is used or changed.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from tuner.errors import PermanentError, TunerError, UserError
from tuner.repository.address import Access, Address
from tuner.repository.commit import TUNER, Commit, Identity, Signer, build_commit, commit_tree
from tuner.repository.discovery import discover, user_identity
from tuner.repository.git import Git
from tuner.repository.merge import Conflict, merge_commits
from tuner.repository.path import checked, shown
from tuner.repository.reference import RefUpdate, branch_ref, is_sha, local_refs, swap_locally
from tuner.repository.remote import Remote, RemoteRefs
from tuner.repository.snapshot import Snapshot
from tuner.repository.tree import changed_files
from tuner.repository.worktree import checked_out, move_files, refuse_checked_out

__all__ = ["Repository"]


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository, by its Git folder.

    Every method may raise what ``tuner.repository.failure`` makes of git's words: UserError for a name that does not
    exist or may not be used, TemporaryError for a lock, a lost race or a remote that does not answer, PermanentError
    for a full disk, a missing permission or a refusal.
    """

    git: Git = field(repr=False)
    folder: Path
    """Top of the work tree, or the Git folder of a bare repository or clone."""
    work_tree: Path | None = None
    remote: Remote | None = None
    signer: Signer | None = field(default=None, repr=False)
    """Signs what ``commit`` makes; None leaves it unsigned."""

    @classmethod
    def open(cls, path: Path) -> Self:
        """The local repository whose top (or bare folder) this is. UserError where there is none or it is not ours."""
        place = discover(path)
        if path.resolve() not in {place.top.resolve(), place.git_dir.resolve()}:
            raise UserError.of(f"{path} is not a Git repository", f"the one around it is {place.top}")
        return cls(Git(place.git_dir, place.git_dir), place.top, place.work_tree)

    @classmethod
    def around(cls, path: Path) -> Self:
        """The local repository that this file or folder is in."""
        place = discover(path if path.is_dir() else path.parent)
        return cls(Git(place.git_dir, place.git_dir), place.top, place.work_tree)

    @classmethod
    def clone(cls, url: str, folder: Path, *, local: bool = False, access: Callable[[], Access] | None = None) -> Self:
        """A bare clone of the remote in ``folder``, up to date; one that is there already is fetched.

        ``local`` allows a folder or ``file:`` as the remote. The folder appears complete or not at all. UserError where
        it is a clone of something else.
        """
        remote = Remote(Address.parse(url, local=local), access)
        clone = cls(Git(folder, folder), folder, remote=remote)
        if not folder.exists() or not any(folder.iterdir()):
            _make_clone(remote, folder)
            return clone
        known = clone.git.run("config", "--get", "tuner.remote", accept=(0, 1)).text
        if known != remote.address.url:
            raise UserError.of(f"{folder} is no clone of {remote.address}", "name an empty folder for it")
        clone.fetch()
        return clone

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is held open between calls: every git process has ended when its call returns."""

    @property
    def address(self) -> str:
        """What a person calls this repository: the remote's address, or the folder."""
        return str(self.remote.address) if self.remote else str(self.folder)

    def fetch(self) -> None:
        """Make a clone's branches those of its remote; nothing to do for a local repository."""
        if self.remote is None:
            return
        there = self.remote.refs(self.git)
        if there.fetched() != self.refs():
            self.remote.fetch(self.git)
        if there.head != self._head():
            _follow_head(self.git, there.head)

    def ls_remote(self) -> RemoteRefs:
        """What the authority (the remote, or the local repository) has right now, without fetching."""
        if self.remote is not None:
            return self.remote.refs(self.git)
        return RemoteRefs(self.refs(), self._head())

    def refs(self, prefix: str = "refs/") -> Mapping[str, str]:
        """SHA by full name, below a prefix such as ``refs/heads/``; for a clone as of its last fetch."""
        return local_refs(self.git, prefix)

    def default_branch(self) -> str:
        """The branch that changes go to: what the remote's HEAD, ``origin/HEAD`` or the own HEAD names, in this order.

        UserError where HEAD is detached or names a branch without a commit.
        """
        origin = self.git.run("symbolic-ref", "-q", "refs/remotes/origin/HEAD", accept=(0, 1)).text
        branch = origin.removeprefix("refs/remotes/origin/") if self.remote is None else ""
        if not branch or branch_ref(branch) not in self.refs("refs/heads"):
            branch = self._head() or ""
        if not branch or branch_ref(branch) not in self.refs("refs/heads"):
            raise UserError.of(f"{self.address} has no default branch with a commit", "name the branch to work on")
        return branch

    def branch(self, name: str) -> str | None:
        """SHA of a branch's last commit; None where there is no such branch."""
        ref = branch_ref(name)
        return self.refs(ref).get(ref)

    def resolve(self, ref: str) -> str:
        """Full SHA of the commit that a branch, tag or (abbreviated) SHA names."""
        if not ref or ref.startswith("-") or not ref.isprintable():
            raise UserError.of(f"{shown(ref)} names no commit")
        for name in (ref,) if is_sha(ref) else (f"refs/heads/{ref}", ref):
            answer = self.git.run("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", accept=(0, 1, 128))
            if answer.status == 0:
                return answer.text
        raise UserError.of(f"{shown(ref)} names no commit in {self.address}")

    def commit_at(self, sha: str) -> Commit:
        """The commit itself: parents, author, committer, message, trailers."""
        return Commit.read(self.git, self.resolve(sha))

    def snapshot(self, sha: str) -> Snapshot:
        """The files of a commit."""
        return Snapshot(self.resolve(sha), self.git)

    def changed_paths(self, old: str, new: str) -> tuple[str, ...]:
        """Paths of files that differ between two commits, sorted; a rename is a deletion and an addition."""
        return tuple(changed_files(self.git, self.resolve(old), self.resolve(new)))

    def last_commit_for(self, path: str, branch: str) -> str:
        """SHA of the last commit on the branch that changed the file; UserError where the branch has no such file."""
        tip = self.resolve(branch)
        if self.snapshot(tip).entry(path) is None:
            raise UserError.of(f"{shown(path)} does not exist on {branch}")
        return self.git.run("rev-list", "-1", tip, "--", checked(path)).text

    def contains(self, descendant: str, ancestor: str) -> bool:
        """Whether the history of one commit has the other in it; itself it has, one that is not here it has not."""
        return self.git.run("merge-base", "--is-ancestor", ancestor, descendant, accept=(0, 1, 128)).status == 0

    def identity(self) -> Identity | None:
        """The name and address that the person here has configured for Git; None where there are none."""
        return user_identity(self.git)

    def commit(
        self,
        *,
        parent: str | None,
        changes: Mapping[str, bytes | None],
        message: str,
        date: datetime,
        author: Identity = TUNER,
        committer: Identity = TUNER,
        also: Sequence[str] = (),
    ) -> str:
        """SHA of a new commit on ``parent`` (None: a first commit) with files changed; None as content deletes.

        Equal input gives an equal SHA, so a repeated step makes the same commit. No branch moves. ``also`` are further
        parents.
        """
        above = [sha for sha in (parent, *also) if sha is not None]
        return build_commit(
            self.git,
            parents=above,
            changes=changes,
            message=message,
            author=author,
            committer=committer,
            date=date,
            signer=self.signer,
        )

    def merge(
        self, *, ours: str, theirs: str, message: str, date: datetime, author: Identity = TUNER
    ) -> str | Conflict:
        """SHA of a merge commit of two commits, ``ours`` first; the conflict where a person must decide."""
        tree = merge_commits(self.git, ours, theirs)
        if isinstance(tree, Conflict):
            return tree
        return commit_tree(
            self.git, tree, parents=[ours, theirs], message=message, author=author, committer=author, date=date
        )

    def push(self, branch: str, sha: str, *, expected: str | None) -> None:
        """Move a branch to a commit if it is still at ``expected`` (None: if it does not exist yet).

        A branch that is at ``sha`` already is left there. ContendedError for a lost race, PermanentError for a refusal,
        UserError where the branch is checked out in a work tree.
        """
        self.swap([RefUpdate(branch_ref(branch), sha, expected)])

    def swap(self, updates: Sequence[RefUpdate]) -> None:
        """Move several references at once, all or none, under the same conditions as ``push``."""
        if self.remote is not None:
            self.remote.push(self.git, updates)
            self._mirror(updates)
            return
        refuse_checked_out(self.git, updates)
        swap_locally(self.git, updates)

    def advance(self, branch: str, sha: str, *, expected: str, also: Sequence[RefUpdate] = ()) -> None:
        """Move a branch forward as ``git merge --ff-only`` would, with its work tree where it is checked out here.

        UserError, and nothing changed, where uncommitted work is in the way or the branch is checked out elsewhere.
        """
        ref = branch_ref(branch)
        if self.remote is not None or ref not in checked_out(self.git):
            self.swap([RefUpdate(ref, sha, expected), *also])
            return
        refuse_checked_out(self.git, also)
        place = checked_out(self.git)[ref]
        if self.work_tree is None or place.resolve() != self.work_tree.resolve():
            refuse_checked_out(self.git, [RefUpdate(ref, sha, expected)])
        # Files first: a crash in between leaves the new files staged on the old commit, and a second try goes through.
        move_files(self.git, place, expected, sha)
        try:
            swap_locally(self.git, [RefUpdate(ref, sha, expected), *also])
        except TunerError:
            move_files(self.git, place, sha, expected)
            raise

    def _head(self) -> str | None:
        answer = self.git.run("symbolic-ref", "-q", "HEAD", accept=(0, 1))
        return answer.text.removeprefix("refs/heads/") or None

    def _mirror(self, updates: Sequence[RefUpdate]) -> None:
        """What was pushed is what a fetch would bring; the next fetch mends it where another process was quicker."""
        for update in updates:
            current = self.refs(update.ref).get(update.ref)
            if current != update.new:
                swap_locally(self.git, [RefUpdate(update.ref, update.new, current)])


def _make_clone(remote: Remote, folder: Path) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise PermanentError(f"{folder.parent} cannot be written: {error.strerror}") from error
    try:
        git = Git(scratch, scratch)
        Git(scratch).run("init", "--quiet", "--bare", "--template=", "--initial-branch=main", str(scratch))
        git.run("config", "tuner.remote", remote.address.url)
        remote.fetch(git)
        _follow_head(git, remote.refs(git).head)
        with suppress(FileNotFoundError):
            folder.rmdir()
        scratch.rename(folder)
    except OSError as error:
        raise PermanentError(f"{folder} cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _follow_head(git: Git, branch: str | None) -> None:
    if branch:
        git.run("symbolic-ref", "HEAD", branch_ref(branch))
