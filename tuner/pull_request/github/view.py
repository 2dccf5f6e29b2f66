"""PyGithub's objects as tuner's values."""

from __future__ import annotations

from github.CommitStatus import CommitStatus
from github.IssueComment import IssueComment
from github.PullRequest import PullRequest as Pull

from tuner.pull_request.protocol import PullRequest, PullRequestState, Remark, Status, StatusState

__all__ = ["remark_of", "status_of", "view_of"]

_STATES = {"success": StatusState.SUCCESS, "pending": StatusState.PENDING}


def view_of(pull: Pull) -> PullRequest:
    """The pull request, without the reason of a decline."""
    merged = pull.merged_at is not None
    if merged:
        state = PullRequestState.MERGED
    else:
        state = PullRequestState.OPEN if pull.state == "open" else PullRequestState.DECLINED
    owner = pull.base.repo.full_name.partition("/")[0]
    teams = [f"{owner}/{team.slug}" for team in pull.requested_teams or ()]
    return PullRequest(
        number=pull.number,
        branch=pull.head.ref,
        base=pull.base.ref,
        head=pull.head.sha,
        state=state,
        title=pull.title,
        body=pull.body or "",
        url=pull.html_url,
        draft=bool(pull.draft),
        labels=tuple(sorted(label.name for label in pull.labels)),
        reviewers=tuple(sorted([*(user.login for user in pull.requested_reviewers or ()), *teams])),
        merge_commit=pull.merge_commit_sha if merged else None,
        author=pull.user.login if pull.user else "",
    )


def remark_of(comment: IssueComment, login: str) -> Remark:
    """``login`` is tuner's own."""
    author = comment.user.login if comment.user else ""
    return Remark(id=comment.id, author=author, text=comment.body or "", ours=author == login)


def status_of(status: CommitStatus) -> Status:
    """An error is a failure."""
    return Status(
        context=status.context,
        state=_STATES.get(status.state, StatusState.FAILURE),
        text=(status.description or "")[:140],
        url=status.target_url or "",
    )
