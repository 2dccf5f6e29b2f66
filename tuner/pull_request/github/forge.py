"""Pull requests on GitHub and GitHub Enterprise Server."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import takewhile
from typing import TypeVar

from github import Github, GithubException, UnknownObjectException
from github.CommitStatus import CommitStatus
from github.PaginatedList import PaginatedList
from github.PullRequest import PullRequest as Pull
from github.Repository import Repository as Hosting

from tuner.errors import PermanentError, UserError
from tuner.pull_request.github.hub import GitHubHub, said
from tuner.pull_request.github.view import remark_of, status_of, view_of
from tuner.pull_request.patience import Patience
from tuner.pull_request.project import Project
from tuner.pull_request.protocol import PullRequest, PullRequestState, Remark, Status
from tuner.repository.failure import ContendedError
from tuner.telemetry.logs import logger

__all__ = ["GitHubForge"]

_WRITERS = frozenset({"write", "maintain", "admin"})
_Result = TypeVar("_Result")
_log = logger("pull_request")


@dataclass(frozen=True)
class GitHubForge:
    """Fulfils ``Forge``. Branches of forks are not looked at: tuner pushes to the repository itself.

    A list may be older than what was just written. What this object opened is therefore asked for by number as well,
    and what another process opened is waited for where GitHub says that it is there.
    """

    project: Project
    hub: GitHubHub = field(repr=False)
    patience: Patience = field(default_factory=Patience, repr=False)
    name: str = "github"
    _opened: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set), repr=False, compare=False)
    _known: dict[int, Pull] = field(default_factory=dict, repr=False, compare=False)
    """Pull requests that were asked for by number: asked again, one that has not changed costs nothing."""

    def find(self, branch: str) -> Sequence[PullRequest]:
        return self._ask(lambda hosting: [self._full(pull) for pull in self._find(hosting, branch)])

    def get(self, number: int) -> PullRequest:
        return self._ask(lambda hosting: self._full(self._pull(hosting, number)))

    def list(self, since: datetime | None = None) -> Sequence[PullRequest]:
        def attempt(hosting: Hosting) -> Sequence[PullRequest]:
            found = {pull.number: pull for pull in _pulls(hosting, since)}
            for number in {number for numbers in self._opened.values() for number in numbers} - found.keys():
                found[number] = self._pull(hosting, number)
            return [view_of(pull) for _, pull in sorted(found.items()) if _own(pull)]

        return self._ask(attempt)

    def open(self, *, branch: str, base: str, title: str, body: str, draft: bool = False) -> PullRequest:
        def attempt(hosting: Hosting) -> PullRequest:
            for pull in self._find(hosting, branch):
                if pull.state == "open":
                    return view_of(pull)
            try:
                pull = hosting.create_pull(base=base, head=branch, title=title, body=body, draft=draft)
            except GithubException as error:
                raise self._refused(error, branch, base) from error
            self._opened[branch].add(pull.number)
            self._known[pull.number] = pull
            return view_of(pull)

        return self._ask(attempt)

    def update(self, number: int, *, title: str, body: str, draft: bool = False) -> PullRequest:
        def attempt(hosting: Hosting) -> PullRequest:
            pull = self._pull(hosting, number)
            if pull.state != "open":
                raise UserError.of(f"pull request {number} is closed and cannot be changed")
            if (pull.title, pull.body or "") != (title, body):
                pull.edit(title=title, body=body)
            if pull.draft != draft:
                pull.convert_to_draft() if draft else pull.mark_ready_for_review()
                self._known.pop(number, None)
                pull = self._pull(hosting, number)
            return view_of(pull)

        return self._ask(attempt)

    def present(self, number: int, *, labels: Sequence[str], reviewers: Sequence[str]) -> None:
        def attempt(hosting: Hosting) -> None:
            pull = self._pull(hosting, number)
            shown = view_of(pull)
            for reviewer in sorted(set(reviewers) - set(shown.reviewers) - {shown.author}):
                _request(pull, reviewer)
            missing = sorted(set(labels) - set(shown.labels))
            if missing:
                # PyGithub sends the bare list, a form that is not described any more.
                hosting.requester.requestJsonAndCheck("POST", f"{pull.issue_url}/labels", input={"labels": missing})

        self._ask(attempt)

    def comments(self, number: int) -> Sequence[Remark]:
        return self._ask(lambda hosting: self._remarks(self._pull(hosting, number)))

    def comment(self, number: int, text: str, *, token: str) -> None:
        if not token or token not in text:
            raise ValueError("a comment has its token in its text")

        def attempt(hosting: Hosting) -> None:
            pull = self._pull(hosting, number)
            said_before = [remark for remark in self._remarks(pull) if remark.ours and token in remark.text]
            if not said_before:
                pull.create_issue_comment(text)
            elif said_before[0].text != text:
                pull.get_issue_comment(said_before[0].id).edit(text)

        self._ask(attempt)

    def may_write(self, author: str) -> bool:
        def attempt(hosting: Hosting) -> bool:
            try:
                return hosting.get_collaborator_permission(author) in _WRITERS
            except UnknownObjectException:
                return False

        try:
            return bool(author) and self._ask(attempt)
        except PermanentError as error:
            _log.warning("the forge does not say who may write", author=author, reason=str(error))
            return False

    def status(self, commit: str, context: str) -> Status | None:
        return self._ask(lambda hosting: _status(hosting, commit, context))

    def set_status(self, commit: str, status: Status) -> None:
        def attempt(hosting: Hosting) -> None:
            if _status(hosting, commit, status.context) != status:
                told = {"state": status.state.value, "description": status.text, "context": status.context}
                url = {"target_url": status.url} if status.url else {}
                hosting.requester.requestJsonAndCheck("POST", f"{hosting.url}/statuses/{commit}", input=told | url)

        self._ask(attempt)

    def _ask(self, work: Callable[[Hosting], _Result]) -> _Result:
        def with_client(github: Github) -> _Result:
            return work(github.get_repo(self.project.path))

        return self.patience(lambda: self.hub.call(with_client))

    def _find(self, hosting: Hosting, branch: str) -> Sequence[Pull]:
        """Oldest first; an open one is asked for by number, since a list may be older than the last change to it."""
        listed = hosting.get_pulls(state="all", sort="created", direction="asc", head=f"{self.project.owner}:{branch}")
        pulls = {pull.number: pull for pull in listed if pull.head.ref == branch and _own(pull)}
        again = {number for number, pull in pulls.items() if pull.state == "open"} | self._opened[branch]
        return [value for _, value in sorted((pulls | {each: self._pull(hosting, each) for each in again}).items())]

    def _pull(self, hosting: Hosting, number: int) -> Pull:
        """Fresh, by a conditional request where it was asked for before."""
        if number < 1:
            raise UserError.of(f"{self.project.path} has no pull request {number}")
        try:
            pull = self._known.get(number)
            if pull is None:
                pull = hosting.get_pull(number)
                pull.complete()
                self._known[number] = pull
            else:
                pull.update()
        except UnknownObjectException as error:
            raise UserError.of(f"{self.project.path} has no pull request {number}") from error
        return pull

    def _full(self, pull: Pull) -> PullRequest:
        shown = view_of(pull)
        if shown.state is not PullRequestState.DECLINED:
            return shown
        words = [remark.text for remark in self._remarks(pull) if not remark.ours]
        return shown.model_copy(update={"reason": words[-1] if words else ""})

    def _remarks(self, pull: Pull) -> Sequence[Remark]:
        login = self.hub.login
        return sorted((remark_of(each, login) for each in pull.get_issue_comments()), key=lambda remark: remark.id)

    def _refused(self, error: GithubException, branch: str, base: str) -> Exception:
        """What a refusal to open means; ContendedError where it is open already and the list does not show it yet."""
        reasons = said(error)
        if error.status != 422:
            return error
        if "already exists" in reasons:
            return ContendedError(f"{self.project.path}: the pull request of {branch} is open but not listed yet")
        if "No commits between" in reasons:
            return UserError.of(f"the branch {branch} has nothing that {base} lacks", "commit a change to it first")
        for name, key in ((branch, "head"), (base, "base")):
            if f"{key} invalid" in reasons:
                return UserError.of(f"{self.project.path} has no branch {name}", "push it first")
        return error


def _pulls(hosting: Hosting, since: datetime | None) -> Iterable[Pull]:
    """In every state: all, or those that changed since; the API has no parameter for it, but an order."""
    if since is None:
        return hosting.get_pulls(state="all", sort="created", direction="asc")
    latest = hosting.get_pulls(state="all", sort="updated", direction="desc")
    return takewhile(lambda pull: pull.updated_at is None or pull.updated_at >= since, latest)


def _own(pull: Pull) -> bool:
    """Whether it comes from a branch of the repository itself; a fork that is gone has no name any more."""
    return pull.head.repo is not None and pull.head.repo.full_name == pull.base.repo.full_name


def _request(pull: Pull, reviewer: str) -> None:
    try:
        if "/" in reviewer:
            pull.create_review_request(team_reviewers=[reviewer.rpartition("/")[2]])
        else:
            pull.create_review_request(reviewers=[reviewer])
    except GithubException as error:
        if error.status not in (404, 422):
            raise
        # Who owns a file need not be able to review.
        _log.info("nobody to ask for a review", reviewer=reviewer, reason=said(error))


def _status(hosting: Hosting, commit: str, context: str) -> Status | None:
    """The newest stands first."""
    statuses = f"{hosting.url}/commits/{commit}/statuses"
    for status in PaginatedList(CommitStatus, hosting.requester, statuses, None):
        if status.context == context:
            return status_of(status)
    return None
