"""Merge requests on GitLab."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from gitlab import Gitlab
from gitlab.exceptions import GitlabCreateError, GitlabGetError, GitlabHttpError

from tuner.errors import PermanentError, UserError
from tuner.pull_request.gitlab.server import GitLabServer, said
from tuner.pull_request.gitlab.view import NAMES, bare_title, remark_of, status_of, view_of
from tuner.pull_request.patience import Patience
from tuner.pull_request.project import Project
from tuner.pull_request.protocol import PullRequest, PullRequestState, Remark, Status
from tuner.repository.failure import ContendedError
from tuner.telemetry.logs import logger

__all__ = ["GitLabForge"]

_DEVELOPER = 30
"""The least access level that may push."""
_Result = TypeVar("_Result")
_log = logger("pull_request")


@dataclass(frozen=True)
class GitLabForge:
    """Fulfils ``Forge``. Branches of forks are not looked at: tuner pushes to the project itself."""

    project: Project
    server: GitLabServer = field(repr=False)
    patience: Patience = field(default_factory=Patience, repr=False)
    name: str = "gitlab"

    def find(self, branch: str) -> Sequence[PullRequest]:
        return self._ask(lambda project: [self._full(merge) for merge in _merges(project, source_branch=branch)])

    def get(self, number: int) -> PullRequest:
        return self._ask(lambda project: self._full(self._merge(project, number)))

    def list(self, since: datetime | None = None) -> Sequence[PullRequest]:
        only = {} if since is None else {"updated_after": since.isoformat()}
        return self._ask(lambda project: [view_of(merge) for merge in _merges(project, **only)])

    def open(self, *, branch: str, base: str, title: str, body: str, draft: bool = False) -> PullRequest:
        def attempt(project: Any) -> PullRequest:
            for merge in _merges(project, source_branch=branch):
                if merge.state == "opened":
                    return view_of(merge)
            self._refuse_nothing(project, branch, base)
            wanted = {"source_branch": branch, "target_branch": base, "description": body}
            try:
                return view_of(project.mergerequests.create({**wanted, "title": _title(title, draft=draft)}))
            except GitlabCreateError as error:
                if error.response_code == 409:
                    raise ContendedError(f"{self.project.path}: the one of {branch} is open already") from error
                raise

        return self._ask(attempt)

    def update(self, number: int, *, title: str, body: str, draft: bool = False) -> PullRequest:
        def attempt(project: Any) -> PullRequest:
            merge = self._merge(project, number)
            if merge.state != "opened":
                raise UserError.of(f"pull request {number} is closed and cannot be changed")
            wanted = {"title": _title(title, draft=draft), "description": body}
            if wanted != {"title": merge.title, "description": merge.description}:
                project.mergerequests.update(number, wanted)
            return view_of(self._merge(project, number))

        return self._ask(attempt)

    def present(self, number: int, *, labels: Sequence[str], reviewers: Sequence[str]) -> None:
        def attempt(project: Any) -> None:
            merge = self._merge(project, number)
            shown = view_of(merge)
            new = sorted(set(reviewers) - set(shown.reviewers) - {shown.author})
            found = [user for user in (self._user(name) for name in new) if user is not None]
            if found:
                asked = [user["id"] for user in merge.reviewers or ()]
                project.mergerequests.update(number, {"reviewer_ids": [*asked, *found]})
            missing = sorted(set(labels) - set(shown.labels))
            if missing:
                project.mergerequests.update(number, {"add_labels": ",".join(missing)})

        self._ask(attempt)

    def comments(self, number: int) -> Sequence[Remark]:
        return self._ask(lambda project: self._remarks(self._merge(project, number)))

    def comment(self, number: int, text: str, *, token: str) -> None:
        if not token or token not in text:
            raise ValueError("a comment has its token in its text")

        def attempt(project: Any) -> None:
            merge = self._merge(project, number)
            said_before = [remark for remark in self._remarks(merge) if remark.ours and token in remark.text]
            if not said_before:
                merge.notes.create({"body": text})
            elif said_before[0].text != text:
                merge.notes.update(said_before[0].id, {"body": text})

        self._ask(attempt)

    def may_write(self, author: str) -> bool:
        def attempt(project: Any) -> bool:
            user = self._user(author) if author else None
            if user is None:
                return False
            try:
                return int(project.members_all.get(user).access_level) >= _DEVELOPER
            except GitlabGetError as error:
                if error.response_code == 404:
                    return False
                raise

        try:
            return self._ask(attempt)
        except PermanentError as error:
            _log.warning("the forge does not say who may write", author=author, reason=str(error))
            return False

    def status(self, commit: str, context: str) -> Status | None:
        return self._ask(lambda project: _status(project, commit, context))

    def set_status(self, commit: str, status: Status) -> None:
        def attempt(project: Any) -> None:
            if _status(project, commit, status.context) == status:
                return
            url = {"target_url": status.url} if status.url else {}
            told = {"state": NAMES[status.state], "name": status.context, "description": status.text, **url}
            try:
                project.commits.get(commit, lazy=True).statuses.create(told)
            except GitlabCreateError as error:
                # GitLab does not let a state follow itself, so that the words of one stay as they are.
                if error.response_code != 400 or "Cannot transition status" not in said(error):
                    raise

        self._ask(attempt)

    def _ask(self, work: Callable[[Any], _Result]) -> _Result:
        def with_client(gitlab: Gitlab) -> _Result:
            return work(gitlab.projects.get(self.project.path, lazy=True))

        return self.patience(lambda: self.server.call(with_client))

    def _merge(self, project: Any, number: int) -> Any:
        try:
            if number > 0:
                return project.mergerequests.get(number)
        except GitlabGetError as error:
            if error.response_code != 404:
                raise
        raise UserError.of(f"{self.project.path} has no pull request {number}")

    def _refuse_nothing(self, project: Any, branch: str, base: str) -> None:
        for name in (branch, base):
            try:
                project.branches.get(name)
            except GitlabGetError as error:
                if error.response_code != 404:
                    raise
                raise UserError.of(f"{self.project.path} has no branch {name}", "push it first") from error
        if not project.repository_compare(base, branch)["commits"]:
            raise UserError.of(f"the branch {branch} has nothing that {base} lacks", "commit a change to it first")

    def _user(self, name: str) -> int | None:
        """The id of a user; a group cannot review."""
        if "/" in name:
            return None
        found = self.server.gitlab.users.list(username=name, get_all=False)
        return next((int(user.id) for user in found if user.username.lower() == name.lower()), None)

    def _full(self, merge: Any) -> PullRequest:
        shown = view_of(merge)
        if shown.state is not PullRequestState.DECLINED:
            return shown
        words = [remark.text for remark in self._remarks(merge) if not remark.ours]
        return shown.model_copy(update={"reason": words[-1] if words else ""})

    def _remarks(self, merge: Any) -> Sequence[Remark]:
        login = self.server.login
        notes = merge.notes.list(sort="asc", order_by="created_at", iterator=True)
        said_all = [remark_of(note, login) for note in notes if not note.system]
        return sorted(said_all, key=lambda remark: remark.id)


def _merges(project: Any, **only: str) -> Sequence[Any]:
    """Of the project's own branches, oldest first."""
    found = project.mergerequests.list(state="all", order_by="created_at", sort="asc", iterator=True, **only)
    own = [merge for merge in found if merge.source_project_id == merge.target_project_id]
    return sorted(own, key=lambda merge: merge.iid)


def _title(title: str, *, draft: bool) -> str:
    return f"Draft: {bare_title(title)}" if draft else bare_title(title)


def _status(project: Any, commit: str, context: str) -> Status | None:
    try:
        found = project.commits.get(commit, lazy=True).statuses.list(name=context, iterator=True)
        same = [status for status in found if status.name == context]
    except GitlabHttpError as error:
        if error.response_code != 404:
            raise
        return None
    return status_of(max(same, key=lambda status: status.id)) if same else None
