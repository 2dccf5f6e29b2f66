"""Pull requests on Gitea and Forgejo."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import takewhile
from urllib.parse import quote

from tuner.errors import PermanentError, TemporaryError, UserError
from tuner.pull_request.gitea.answer import (
    BranchAnswer,
    CommentAnswer,
    CompareAnswer,
    LabelAnswer,
    PermissionAnswer,
    PullAnswer,
    RefsAnswer,
    StatusAnswer,
    UserAnswer,
)
from tuner.pull_request.gitea.client import GiteaClient
from tuner.pull_request.marker import Marker
from tuner.pull_request.patience import Patience
from tuner.pull_request.project import Project
from tuner.pull_request.protocol import PullRequest, PullRequestState, Remark, Status, StatusState
from tuner.telemetry.logs import logger

__all__ = ["GiteaForge"]

_DRAFT = "WIP: "
_DRAFTS = ("wip:", "[wip]")
"""What Gitea takes for a draft's mark at the start of a title, in any case."""
_COLOUR = "#5319e7"
_WRITERS = frozenset({"write", "admin", "owner"})
_STATES = {
    "success": StatusState.SUCCESS,
    "pending": StatusState.PENDING,
    "failure": StatusState.FAILURE,
    "error": StatusState.FAILURE,
}
_log = logger("pull_request")


@dataclass(frozen=True)
class GiteaForge:
    """Fulfils ``Forge``. Branches of forks are not looked at: tuner pushes to the repository itself."""

    project: Project
    client: GiteaClient = field(repr=False)
    patience: Patience = field(default_factory=Patience, repr=False)
    name: str = "gitea"
    _one: threading.RLock = field(default_factory=threading.RLock, repr=False, compare=False)
    """Held while looking and writing, so that two threads do not both find that something is missing."""

    def find(self, branch: str) -> Sequence[PullRequest]:
        return self.patience(lambda: [self._full(pull) for pull in self._pulls() if pull.head.label == branch])

    def get(self, number: int) -> PullRequest:
        return self.patience(lambda: self._full(self._pull(number)))

    def list(self, since: datetime | None = None) -> Sequence[PullRequest]:
        return self.patience(lambda: [self._view(pull) for pull in self._pulls(since)])

    def open(self, *, branch: str, base: str, title: str, body: str, draft: bool = False) -> PullRequest:
        def attempt() -> PullRequest:
            with self._one:
                opened = self._open_one(branch)
                if opened is not None:
                    return self._view(opened)
                self._refuse_nothing(branch, base)
                wanted = {"head": branch, "base": base, "title": _title(title, draft=draft), "body": body}
                made = self.client.made(PullAnswer, "POST", self._at("/pulls"), wanted)
                first = self._open_one(branch)
                if first is None or first.number >= made.number:
                    return self._view(made)
                self._withdraw(made.number, first.number)
                return self._view(first)

        return self.patience(attempt)

    def update(self, number: int, *, title: str, body: str, draft: bool = False) -> PullRequest:
        def attempt() -> PullRequest:
            with self._one:
                pull = self._pull(number)
                if pull.state != "open":
                    raise UserError.of(f"pull request {number} is closed and cannot be changed")
                wanted = {"title": _title(title, draft=draft), "body": body}
                if wanted == {"title": pull.title, "body": pull.body}:
                    return self._view(pull)
                return self._view(self.client.made(PullAnswer, "PATCH", self._at(f"/pulls/{number}"), wanted))

        return self.patience(attempt)

    def present(self, number: int, *, labels: Sequence[str], reviewers: Sequence[str]) -> None:
        def attempt() -> None:
            with self._one:
                pull = self._view(self._pull(number))
                for reviewer in sorted(set(reviewers) - set(pull.reviewers) - {pull.author}):
                    self._ask(number, reviewer)
                missing = sorted(set(labels) - set(pull.labels))
                if missing:
                    ids = [self._label(name) for name in missing]
                    self.client.write("POST", self._at(f"/issues/{number}/labels"), {"labels": ids})

        self.patience(attempt)

    def comments(self, number: int) -> Sequence[Remark]:
        def attempt() -> Sequence[Remark]:
            self._pull(number)
            return self._remarks(number)

        return self.patience(attempt)

    def comment(self, number: int, text: str, *, token: str) -> None:
        if not token or token not in text:
            raise ValueError("a comment has its token in its text")

        def attempt() -> None:
            with self._one:
                self._pull(number)
                said = [remark for remark in self._remarks(number) if remark.ours and token in remark.text]
                if not said:
                    self.client.write("POST", self._at(f"/issues/{number}/comments"), {"body": text})
                elif said[0].text != text:
                    self.client.write("PATCH", self._at(f"/issues/comments/{said[0].id}"), {"body": text})

        self.patience(attempt)

    def may_write(self, author: str) -> bool:
        if not author or author.lower() == self.project.owner.lower():
            return bool(author)  # a server has one name for a user and for an organisation

        def attempt() -> bool:
            try:
                found = self.client.maybe(PermissionAnswer, self._at(f"/collaborators/{author}/permission"))
            except PermanentError as error:
                _log.warning("the forge does not say who may write", author=author, reason=str(error))
                return False
            return found is not None and found.permission in _WRITERS

        return self.patience(attempt)

    def status(self, commit: str, context: str) -> Status | None:
        return self.patience(lambda: self._status(commit, context))

    def set_status(self, commit: str, status: Status) -> None:
        def attempt() -> None:
            with self._one:
                if self._status(commit, status.context) == status:
                    return
                self.client.write(
                    "POST",
                    self._at(f"/statuses/{commit}"),
                    {
                        "context": status.context,
                        "state": status.state.value,
                        "description": status.text,
                        "target_url": status.url,
                    },
                )

        self.patience(attempt)

    @cached_property
    def _login(self) -> str:
        return self.client.get(UserAnswer, "/user").login

    def _at(self, path: str) -> str:
        return f"/repos/{self.project.path}{path}"

    def _pulls(self, since: datetime | None = None) -> Sequence[PullAnswer]:
        """Of the repository's own branches, oldest first. The API can look neither for a branch nor for a time."""
        order = "oldest" if since is None else "recentupdate"
        found = self.client.all(PullAnswer, self._at("/pulls"), state="all", sort=order)
        if since is not None:
            found = takewhile(lambda pull: pull.updated_at >= since, found)
        return sorted((pull for pull in found if pull.head.repo_id == pull.base.repo_id), key=lambda pull: pull.number)

    def _pull(self, number: int) -> PullAnswer:
        pull = self.client.maybe(PullAnswer, self._at(f"/pulls/{number}")) if number > 0 else None
        if pull is None:
            raise UserError.of(f"{self.project.path} has no pull request {number}")
        return pull

    def _open_one(self, branch: str) -> PullAnswer | None:
        found = self.client.all(PullAnswer, self._at("/pulls"), state="open", sort="oldest")
        own = (pull for pull in found if pull.head.repo_id == pull.base.repo_id and pull.head.label == branch)
        return next(own, None)

    def _refuse_nothing(self, branch: str, base: str) -> None:
        """Gitea itself opens pull requests that change nothing."""
        for name in (branch, base):
            if self.client.maybe(BranchAnswer, self._at(f"/branches/{quote(name)}")) is None:
                if self._ref(f"refs/heads/{name}") is not None:  # pushed by another process, and being taken in
                    raise TemporaryError(f"{self.project.path} does not know its branch {name} yet")
                raise UserError.of(f"{self.project.path} has no branch {name}", "push it first")
        range_ = self._at(f"/compare/{quote(base)}...{quote(branch)}")
        if self.client.get(CompareAnswer, range_, files="false", verification="false").total_commits == 0:
            raise UserError.of(f"the branch {branch} has nothing that {base} lacks", "commit a change to it first")

    def _ref(self, name: str) -> str | None:
        """What the repository itself says, whatever Gitea's tables know: the commit that a reference names."""
        found = self.client.maybe(RefsAnswer, self._at(f"/git/{quote(name)}"))
        return next((ref.object.sha for ref in (found.root if found else ()) if ref.ref == name), None)

    def _withdraw(self, number: int, first: int) -> None:
        """Gitea lets two processes open one each at the same moment: the later one goes, and is nobody's decline."""
        marker = Marker(campaign="", change=f"opened twice, see {first}", fingerprint="")
        body = marker.sign(f"Opened twice at the same moment: see #{first}.")
        self.client.write("PATCH", self._at(f"/pulls/{number}"), {"body": body, "state": "closed"})

    def _ask(self, number: int, reviewer: str) -> None:
        kind = "team_reviewers" if "/" in reviewer else "reviewers"
        try:
            where = self._at(f"/pulls/{number}/requested_reviewers")
            self.client.write("POST", where, {kind: [reviewer.rpartition("/")[2]]})
        except PermanentError as error:  # who owns a file need not be able to review
            _log.info("nobody to ask for a review", reviewer=reviewer, reason=str(error))

    def _label(self, name: str) -> int:
        """Its id; a label that the repository lacks is made."""
        for label in self.client.all(LabelAnswer, self._at("/labels")):
            if label.name == name:
                return label.id
        return self.client.made(LabelAnswer, "POST", self._at("/labels"), {"name": name, "color": _COLOUR}).id

    def _remarks(self, number: int) -> Sequence[Remark]:
        found = self.client.all(CommentAnswer, self._at(f"/issues/{number}/comments"))
        return [_remark(comment, self._login) for comment in sorted(found, key=lambda comment: comment.id)]

    def _status(self, commit: str, context: str) -> Status | None:
        found = self.client.all(StatusAnswer, self._at(f"/commits/{commit}/statuses"), sort="recentupdate")
        same = [status for status in found if status.context == context]
        if not same:
            return None
        last = max(same, key=lambda status: status.id)
        state = _STATES.get(last.status, StatusState.FAILURE)
        return Status(context=context, state=state, text=last.description[:140], url=last.target_url)

    def _full(self, answer: PullAnswer) -> PullRequest:
        """With what costs a call more for a closed one: its last commit, and why it was declined."""
        pull = self._view(answer)
        if pull.state is PullRequestState.OPEN:
            return pull
        # What a branch gets after its pull request was closed is shown as that one's head, too.
        kept = self._ref(f"refs/pull/{pull.number}/head")
        fields = {} if kept is None else {"head": kept}
        if pull.state is PullRequestState.DECLINED:
            fields["reason"] = next((said.text for said in reversed(self._remarks(pull.number)) if not said.ours), "")
        return pull.model_copy(update=fields)

    def _view(self, pull: PullAnswer) -> PullRequest:
        if pull.merged:
            state = PullRequestState.MERGED
        else:
            state = PullRequestState.OPEN if pull.state == "open" else PullRequestState.DECLINED
        return PullRequest(
            number=pull.number,
            branch=pull.head.label,
            base=pull.base.label,
            head=pull.head.sha,
            state=state,
            title=_bare(pull.title),
            body=pull.body,
            url=pull.html_url,
            draft=pull.draft,
            labels=tuple(sorted(label.name for label in pull.labels or ())),
            reviewers=tuple(sorted(user.login for user in pull.requested_reviewers or () if user)),
            merge_commit=pull.merge_commit_sha if pull.merged else None,
            author=pull.user.login if pull.user else "",
        )


def _remark(comment: CommentAnswer, login: str) -> Remark:
    author = comment.user.login if comment.user else ""
    return Remark(id=comment.id, author=author, text=comment.body, ours=author == login)


def _title(title: str, *, draft: bool) -> str:
    return f"{_DRAFT}{_bare(title)}" if draft else _bare(title)


def _bare(title: str) -> str:
    for mark in _DRAFTS:
        if title.lower().startswith(mark):
            return title[len(mark) :].lstrip()
    return title
