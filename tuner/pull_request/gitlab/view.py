"""python-gitlab's objects as tuner's values."""

from __future__ import annotations

from typing import Any

from tuner.pull_request.protocol import PullRequest, PullRequestState, Remark, Status, StatusState

__all__ = ["NAMES", "bare_title", "remark_of", "status_of", "view_of"]

_STATES = {"opened": PullRequestState.OPEN, "merged": PullRequestState.MERGED}
_MARKS = ("draft:", "[draft]", "(draft)")
"""What GitLab takes for a draft's mark at the start of a title, in any case."""
NAMES = {StatusState.PENDING: "running", StatusState.SUCCESS: "success", StatusState.FAILURE: "failed"}
"""GitLab's names of the states: its ``pending`` waits for a runner."""


def view_of(merge: Any) -> PullRequest:
    """The merge request, without the reason of a decline."""
    return PullRequest(
        number=merge.iid,
        branch=merge.source_branch,
        base=merge.target_branch,
        head=merge.sha,
        state=_STATES.get(merge.state, PullRequestState.DECLINED if merge.state == "closed" else PullRequestState.OPEN),
        title=bare_title(merge.title),
        body=merge.description or "",
        url=merge.web_url,
        draft=bool(merge.draft),
        labels=tuple(sorted(merge.labels)),
        reviewers=tuple(sorted(user["username"] for user in merge.reviewers or ())),
        merge_commit=(merge.merge_commit_sha or merge.squash_commit_sha) if merge.state == "merged" else None,
        author=(merge.author or {}).get("username", ""),
    )


def bare_title(title: str) -> str:
    """Without the mark of a draft."""
    for mark in _MARKS:
        if title.lower().startswith(mark):
            return title[len(mark) :].lstrip()
    return title


def remark_of(note: Any, login: str) -> Remark:
    """``login`` is tuner's own."""
    author = (note.author or {}).get("username", "")
    return Remark(id=note.id, author=author, text=note.body or "", ours=author == login)


def status_of(status: Any) -> Status:
    """What was cancelled or skipped is a failure: nobody has said that all is well."""
    states = {"success": StatusState.SUCCESS, **dict.fromkeys(("created", "pending", "running"), StatusState.PENDING)}
    return Status(
        context=status.name,
        state=states.get(status.status, StatusState.FAILURE),
        text=(status.description or "")[:140],
        url=status.target_url or "",
    )
