"""The forge that needs no server: pull requests kept in the Git repository itself, beside its branches.

Any repository will do, bare, checked out or the clone of one behind plain Git hosting. Each change is one
compare-and-swap of a reference, so several processes may work at once and a killed one leaves nothing half done.
"""

from __future__ import annotations

import random
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from tuner.errors import PermanentError, TemporaryError, UserError
from tuner.pull_request.protocol import PullRequest, PullRequestState, Remark, Status
from tuner.pull_request.record import Record, ref_of, stored_numbers
from tuner.pull_request.stored_status import read_status, write_status
from tuner.repository.commit import TUNER, Identity
from tuner.repository.failure import ContendedError
from tuner.repository.merge import Conflict
from tuner.repository.reference import RefUpdate, branch_ref
from tuner.repository.repository import Repository

__all__ = ["EmbeddedForge"]

_TRIES = 10
_Result = TypeVar("_Result")


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class EmbeddedForge:
    """Fulfils ``Forge``. ``who`` is on record for what is done through this object.

    What a person does with plain Git counts: a branch whose commits the base has is merged, whoever merged it; one that
    was deleted is merged where a squash or rebase brought its change into the base, else declined.
    """

    repository: Repository
    who: Identity = TUNER
    now: Callable[[], datetime] = _now
    name: str = "embedded"
    _read: dict[str, Record] = field(default_factory=dict, repr=False, compare=False)

    def find(self, branch: str) -> Sequence[PullRequest]:
        return [pull for pull in self.list() if pull.branch == branch]

    def list(self, since: datetime | None = None) -> Sequence[PullRequest]:  # noqa: ARG002 - all are in the clone
        self.repository.fetch()
        heads = self.repository.refs("refs/heads")
        return [self._settled(sha, heads) for sha in stored_numbers(self.repository).values()]

    def get(self, number: int) -> PullRequest:
        return self._get(number)[0]

    def open(self, *, branch: str, base: str, title: str, body: str, draft: bool = False) -> PullRequest:
        return _until_first(lambda: self._open(branch=branch, base=base, title=title, body=body, draft=draft))

    def update(self, number: int, *, title: str, body: str, draft: bool = False) -> PullRequest:
        def edit(pull: PullRequest, record: Record) -> Record:
            if pull.state is not PullRequestState.OPEN:
                raise UserError.of(f"pull request {number} is {pull.state} and cannot be changed")
            return _changed(record, title=title, body=body, draft=draft, head=pull.head)

        return self._edit(number, "update", edit)

    def present(self, number: int, *, labels: Sequence[str], reviewers: Sequence[str]) -> None:
        def edit(_: PullRequest, record: Record) -> Record:
            return _changed(
                record,
                labels=tuple(sorted({*record.labels, *labels})),
                reviewers=tuple(sorted({*record.reviewers, *reviewers})),
            )

        self._edit(number, "present", edit)

    def comments(self, number: int) -> Sequence[Remark]:
        _, record, _ = self._get(number)
        authors = _authors(record)
        return [
            Remark(id=count, author=authors[count - 1], text=text, ours=authors[count - 1] == str(self.who))
            for count, text in enumerate(record.comments, start=1)
        ]

    def comment(self, number: int, text: str, *, token: str) -> None:
        if not token or token not in text:
            raise ValueError("a comment has its token in its text")

        def edit(_: PullRequest, record: Record) -> Record:
            own = zip(record.comments, _authors(record), strict=True)
            kept = [said for said, author in own if token in said and author == str(self.who)]
            if kept:
                return _changed(record, comments=tuple(text if said == kept[0] else said for said in record.comments))
            return _changed(record, comments=(*record.comments, text), commenters=(*_authors(record), str(self.who)))

        self._edit(number, "comment", edit)

    def say(self, number: int, text: str) -> None:
        """Add a comment, as a person does."""

        def edit(_: PullRequest, record: Record) -> Record:
            return _changed(record, comments=(*record.comments, text), commenters=(*_authors(record), str(self.who)))

        self._edit(number, "comment", edit)

    def may_write(self, author: str) -> bool:
        """Whoever could write the remark can write the repository."""
        return bool(author)

    def status(self, commit: str, context: str) -> Status | None:
        self.repository.fetch()
        return read_status(self.repository, commit, context)

    def set_status(self, commit: str, status: Status) -> None:
        def attempt() -> None:
            if self.status(commit, status.context) != status:
                write_status(self.repository, commit, status, who=self.who, date=self.now())

        _until_first(attempt)

    def decline(self, number: int, reason: str) -> PullRequest:
        """Close without a merge; one that is declined already is returned as it is, a merged one is UserError."""

        def edit(pull: PullRequest, record: Record) -> Record:
            if pull.state is PullRequestState.MERGED:
                raise UserError.of(f"pull request {number} is merged already", "revert the merge commit instead")
            if record.state is PullRequestState.DECLINED:
                return record
            return self._closed(record, pull, PullRequestState.DECLINED, reason=reason)

        return self._edit(number, "decline", edit)

    def merge(self, number: int) -> PullRequest:
        """Bring the branch into its base by a merge commit; one that is merged already is returned as it is.

        UserError, and nothing changed, for a conflict and for a declined one.
        """
        return _until_first(lambda: self._merge(number))

    def _settled(self, stored: str, heads: Mapping[str, str]) -> PullRequest:
        """The view; what plain Git closed is written down, so that the branch's next commits do not open it again."""
        record = self._record(stored)
        pull = self._view(record, heads)
        if pull.state is not record.state:
            closed = self._closed(record, pull, pull.state, reason=pull.reason)
            with suppress(TemporaryError, PermanentError):  # who may only read sees the same, from the branches
                self.repository.swap([self._store(closed, stored, f"Found {pull.state}")])
        return pull

    def _open(self, *, branch: str, base: str, title: str, body: str, draft: bool) -> PullRequest:
        pulls = self.list()
        already = [pull for pull in pulls if pull.branch == branch and pull.state is PullRequestState.OPEN]
        if already:
            return already[0]
        heads = self.repository.refs("refs/heads")
        for name in (branch, base):
            if branch_ref(name) not in heads:
                raise UserError.of(f"{self.repository.address} has no branch {name}", "push it first")
        head = heads[branch_ref(branch)]
        if self.repository.contains(heads[branch_ref(base)], head):
            raise UserError.of(f"the branch {branch} has nothing that {base} lacks", "commit a change to it first")
        record = _checked(
            number=max((pull.number for pull in pulls), default=0) + 1,
            branch=branch,
            base=base,
            head=head,
            state=PullRequestState.OPEN,
            title=title,
            author=str(self.who),
            opened=self.now(),
            body=body,
            draft=draft,
        )
        # Another opener took the number first: look again, it may have opened this very one.
        self.repository.swap([self._store(record, None, f"Open: {title}")])
        return self._view(record, heads)

    def _merge(self, number: int) -> PullRequest:
        pull, record, stored = self._get(number)
        if pull.state is PullRequestState.MERGED:
            return pull
        if pull.state is PullRequestState.DECLINED:
            raise UserError.of(f"pull request {number} was declined", "a declined pull request is not reopened")
        base = self.repository.branch(pull.base)
        if base is None:
            raise UserError.of(f"pull request {number} goes into {pull.base}, which does not exist any more")
        message = f"Merge pull request {number} from {pull.branch}\n\n{pull.title}\n"
        merged = self.repository.merge(ours=base, theirs=pull.head, message=message, date=self.now(), author=self.who)
        if isinstance(merged, Conflict):
            raise UserError.of(
                f"pull request {number} cannot be merged into {pull.base}: {merged}",
                f"merge {pull.base} into {pull.branch} by hand, or decline it and run the campaign again",
            )
        closed = self._closed(record, pull, PullRequestState.MERGED, merge_commit=merged)
        head = RefUpdate(branch_ref(pull.branch), pull.head, pull.head)
        self.repository.advance(pull.base, merged, expected=base, also=[head, self._store(closed, stored, "Merge")])
        return self._view(closed, self.repository.refs("refs/heads"))

    def _edit(self, number: int, what: str, edit: Callable[[PullRequest, Record], Record]) -> PullRequest:
        def attempt() -> PullRequest:
            pull, record, stored = self._get(number)
            changed = edit(pull, record)
            if changed == record:
                return pull
            self.repository.swap([self._store(changed, stored, what.capitalize())])
            return self._view(changed, self.repository.refs("refs/heads"))

        return _until_first(attempt)

    def _get(self, number: int) -> tuple[PullRequest, Record, str]:
        self.repository.fetch()
        stored = stored_numbers(self.repository).get(number)
        if stored is None:
            raise UserError.of(f"{self.repository.address} has no pull request {number}", "see `tuner pr list`")
        record = self._record(stored)
        return self._view(record, self.repository.refs("refs/heads")), record, stored

    def _record(self, sha: str) -> Record:
        if sha not in self._read:
            self._read[sha] = Record.read(self.repository.snapshot(sha))
        return self._read[sha]

    def _store(self, record: Record, stored: str | None, message: str) -> RefUpdate:
        """The move that writes the record; the proposed commit is kept alive as a further parent."""
        known = stored is not None and record.head in self.repository.commit_at(stored).parents
        sha = self.repository.commit(
            parent=stored,
            changes=record.files(),
            message=message,
            date=self.now(),
            author=self.who,
            also=() if known or stored is None else [record.head],
        )
        return RefUpdate(ref_of(record.number), sha, stored)

    def _closed(
        self,
        record: Record,
        pull: PullRequest,
        state: PullRequestState,
        *,
        reason: str = "",
        merge_commit: str | None = None,
    ) -> Record:
        return _changed(
            record, state=state, head=pull.head, closed=self.now(), reason=reason, merge_commit=merge_commit
        )

    def _view(self, record: Record, heads: Mapping[str, str]) -> PullRequest:
        """The record with what plain Git did since: a moved, merged or deleted branch."""
        state, head, reason = record.state, record.head, record.reason
        if state is PullRequestState.OPEN:
            tip, base = heads.get(branch_ref(record.branch)), heads.get(branch_ref(record.base))
            head = tip or head
            merged = base is not None and (
                self.repository.contains(base, head) or (tip is None and self._brought(base, head))
            )
            if merged:
                state = PullRequestState.MERGED
            elif tip is None:
                state, reason = PullRequestState.DECLINED, "the branch was deleted"
        return PullRequest(
            number=record.number,
            branch=record.branch,
            base=record.base,
            head=head,
            state=state,
            title=record.title,
            body=record.body,
            url=f"tuner pr show {record.number} --repo {shlex.quote(self.repository.address)}",
            draft=record.draft,
            labels=record.labels,
            reviewers=record.reviewers,
            merge_commit=record.merge_commit,
            author=record.author,
            reason=reason,
        )

    def _brought(self, base: str, head: str) -> bool:
        """Whether a squash or a rebase brought the commit's change into the base, which leaves no trace in history.

        What the commit adds tells: a campaign's audit log is never edited. Where it adds nothing, all that it changes.
        """
        repository = self.repository
        try:
            parents = repository.commit_at(head).parents
            paths = repository.changed_paths(parents[0], head) if parents else ()
        except (UserError, PermanentError):  # its branch is gone, so a clean-up may have taken it
            return False
        before, after, now = (repository.snapshot(sha) for sha in (parents[0] if parents else head, head, base))
        added = [path for path in paths if before.entry(path) is None]
        return bool(paths) and all(now.entry(path) == after.entry(path) for path in added or paths)


def _authors(record: Record) -> tuple[str, ...]:
    """One for each comment; of those before authors were written down, nobody."""
    missing = len(record.comments) - len(record.commenters)
    return ("",) * missing + record.commenters


def _checked(**fields: object) -> Record:
    try:
        record = Record.model_validate(fields)
        record.files()
    except ValueError as error:  # pydantic's and that of text that is not UTF-8
        raise UserError.of(f"this cannot be a pull request's text: {error}".replace("\n", " ")) from error
    return record


def _changed(record: Record, **fields: object) -> Record:
    kept = {name: getattr(record, name) for name in Record.model_fields}
    return _checked(**{**kept, **fields})


def _until_first(attempt: Callable[[], _Result]) -> _Result:
    """Try again where another process was first; after some tries its error goes to the caller."""
    for count in range(1, _TRIES):
        with suppress(ContendedError):
            return attempt()
        time.sleep(random.uniform(0, 0.02 * count))  # noqa: S311  # no secret, only apart from each other
    return attempt()
