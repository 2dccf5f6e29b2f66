"""The rules of proposing, as one pure function: what was seen → what to do, and why.

One change, one pull request. A person's decision stands: what was declined or merged is not proposed again, and a
branch that a person committed to is left to that person.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tuner.errors import UserError
from tuner.pull_request.effect import Comment, Effect, Open, Present, Push, Update
from tuner.pull_request.marker import Marker
from tuner.pull_request.protocol import PullRequest, PullRequestState
from tuner.value import Value

__all__ = ["TOOK_OVER", "Outcome", "Plan", "Seen", "Tip", "Wanted", "decide"]

TOOK_OVER = "<!-- tuner: human-took-over -->"
"""In the comment that says so."""


class Outcome(StrEnum):
    """What became of a proposal. After the first three there is an open pull request with it."""

    OPENED = "opened"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    DECLINED_BEFORE = "declined-before"
    HUMAN_TOOK_OVER = "human-took-over"
    MERGED_ALREADY = "merged-already"
    EMPTY_DIFF = "empty-diff"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What should be: the branch at ``commit``, with a pull request that says ``title`` and ``body``."""

    branch: str
    base: str
    commit: str
    title: str
    body: str
    """With its marker."""
    marker: Marker
    draft: bool = False
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tip:
    """The branch's last commit. ``ours``: tuner made it. ``merged``: the base has it, so moving on loses nothing."""

    sha: str
    ours: bool
    merged: bool
    fingerprint: str | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What is. ``pulls``: in all states, oldest first, with the digest of the change that each proposed."""

    pulls: tuple[tuple[PullRequest, str | None], ...]
    tip: Tip | None
    empty: bool
    """The base has every proposed file as proposed already."""
    told: bool = False
    """The open pull request has the comment that a person took over."""


class Plan(Value):
    """The decision: ``effects`` in this order lead to ``outcome``. ``number`` is the pull request it is about."""

    outcome: Outcome
    reason: str
    number: int | None = None
    effects: tuple[Effect, ...] = ()


def decide(wanted: Wanted, seen: Seen) -> Plan:
    """The rules, first match first. UserError where the open pull request goes into another base."""
    digest = wanted.marker.change
    for state, outcome in (
        (PullRequestState.MERGED, Outcome.MERGED_ALREADY),
        (PullRequestState.DECLINED, Outcome.DECLINED_BEFORE),
    ):
        same = [pull for pull, change in seen.pulls if pull.state is state and change == digest]
        if same:
            return Plan(outcome=outcome, reason=_closed(same[-1]), number=same[-1].number)
    opened = [pull for pull, _ in seen.pulls if pull.state is PullRequestState.OPEN]
    return _with_open(wanted, seen, opened[-1]) if opened else _with_none(wanted, seen)


def _with_open(wanted: Wanted, seen: Seen, pull: PullRequest) -> Plan:
    if pull.base != wanted.base:
        raise UserError.of(
            f"pull request {pull.number} from {wanted.branch} goes into {pull.base}, not {wanted.base}",
            "merge or decline it first",
        )
    if seen.tip is not None and not seen.tip.ours:
        return _taken_over(wanted, pull, seen.tip, told=seen.told)
    if seen.empty:
        reason = f"{wanted.base} has these settings already: pull request {pull.number} is left as it is"
        return Plan(outcome=Outcome.EMPTY_DIFF, reason=reason, number=pull.number)
    written = Marker.find(pull.body)
    fingerprint = wanted.marker.fingerprint
    if written and seen.tip and written.fingerprint == seen.tip.fingerprint == fingerprint:
        reason = f"pull request {pull.number} proposes exactly this already"
        return Plan(outcome=Outcome.UNCHANGED, reason=reason, number=pull.number, effects=_present(wanted, pull))
    effects = (
        *_push(wanted, seen.tip),
        Update(number=pull.number, title=wanted.title, body=wanted.body, draft=wanted.draft),
        *_present(wanted, pull),
    )
    reason = f"pull request {pull.number} was open and now proposes this"
    return Plan(outcome=Outcome.UPDATED, reason=reason, number=pull.number, effects=effects)


def _with_none(wanted: Wanted, seen: Seen) -> Plan:
    if seen.empty:
        return Plan(outcome=Outcome.EMPTY_DIFF, reason=f"{wanted.base} has these settings already")
    tip = seen.tip
    if tip is not None and not tip.ours and not tip.merged:
        reason = f"the branch {wanted.branch} has a person's commit {tip.sha[:12]}: delete the branch to be proposed to"
        return Plan(outcome=Outcome.HUMAN_TOOK_OVER, reason=reason)
    effects = (
        *_push(wanted, tip),
        Open(branch=wanted.branch, base=wanted.base, title=wanted.title, body=wanted.body, draft=wanted.draft),
        *_present(wanted, None),
    )
    return Plan(outcome=Outcome.OPENED, reason="no pull request proposed this yet", effects=effects)


def _push(wanted: Wanted, tip: Tip | None) -> tuple[Push, ...]:
    if tip is not None and tip.sha == wanted.commit:
        return ()
    return (Push(branch=wanted.branch, sha=wanted.commit, expected=tip.sha if tip else None),)


def _present(wanted: Wanted, pull: PullRequest | None) -> tuple[Present, ...]:
    """Once: a pull request with one of the labels was presented, and a person may have taken the rest off again."""
    if not wanted.labels or (pull is not None and set(wanted.labels) & set(pull.labels)):
        return ()
    return (Present(branch=wanted.branch, labels=wanted.labels, reviewers=wanted.reviewers),)


def _taken_over(wanted: Wanted, pull: PullRequest, tip: Tip, *, told: bool) -> Plan:
    reason = f"a person committed {tip.sha[:12]} to the branch of pull request {pull.number}"
    if told:
        return Plan(outcome=Outcome.HUMAN_TOOK_OVER, reason=reason, number=pull.number)
    text = (
        f"The last commit on `{wanted.branch}` ({tip.sha[:12]}) is not tuner's, so tuner commits nothing more here. "
        "Merge or decline this pull request, or take that commit off the branch, to get new proposals."
    )
    comment = Comment(number=pull.number, token=TOOK_OVER, text=text)
    return Plan(outcome=Outcome.HUMAN_TOOK_OVER, reason=reason, number=pull.number, effects=(comment,))


def _closed(pull: PullRequest) -> str:
    if pull.state is PullRequestState.MERGED:
        return f"pull request {pull.number} with this change was merged: what happened to it since was a person's doing"
    because = f": {pull.reason}" if pull.reason else ""
    return f"pull request {pull.number} with this change was declined{because}"
