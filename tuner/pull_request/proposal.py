"""Proposing a change: look, decide, act, until there is nothing left to do."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath

from tuner.errors import PermanentError, TemporaryError, UserError
from tuner.pull_request.decision import TOOK_OVER, Outcome, Plan, Seen, Tip, Wanted, decide
from tuner.pull_request.effect import Effect, Present, perform
from tuner.pull_request.marker import Marker
from tuner.pull_request.protocol import Forge, PullRequest, PullRequestState
from tuner.repository.commit import TUNER, Identity
from tuner.repository.failure import ContendedError
from tuner.repository.repository import Repository
from tuner.value import canonical_json, digest_of

__all__ = ["Proposal", "Proposed", "branch_name", "change_digest", "plan", "propose", "want"]

_ROUNDS = 8
_LONGEST_PAUSE = 4.0
_NOT_IN_NAME = re.compile(r"[^a-z0-9-]+")
_CAMPAIGN, _SPEC, _CHANGE, _FINGERPRINT = "Tuner-Campaign", "Tuner-Spec", "Tuner-Change", "Tuner-Fingerprint"


def branch_name(spec_path: str) -> str:
    """``tuner/<folder>-<8 hex>``: a function of the spec's path in its repository alone, always a valid branch name.

    Whatever else a new version of the spec says, the service's name included, its proposal takes the place of the one
    before, and what was declined stays declined.
    """
    path = PurePosixPath(spec_path)
    name = _NOT_IN_NAME.sub("-", (path.parent.name or path.stem).lower()).strip("-")[:63] or "service"
    return f"tuner/{name}-{digest_of(spec_path).removeprefix('sha256:')[:8]}"


def change_digest(spec_path: str, before: Mapping[str, object], after: Mapping[str, object]) -> str:
    """Digest of a change as a person judges it: these settings become those (JSON scalars by parameter).

    It leaves out what differs from campaign to campaign (figures, dates, the tool's version): a decline stays a
    decline. It has the settings before, so the same settings may be proposed again once others have taken their place.
    """
    return digest_of(canonical_json({"spec": spec_path, "before": dict(before), "after": dict(after)}))


@dataclass(frozen=True, slots=True)
class Proposal:
    """One change that somebody should look at.

    ``changes`` (path → content, None deletes) are what is proposed; ``evidence`` (report, audit log) goes with them and
    is never a reason for a pull request by itself. ``parent`` is the base's commit (full SHA) that the commit is built
    on. The commit is a function of these fields, ``date`` included.
    """

    spec_path: str
    branch: str
    base: str
    parent: str
    changes: Mapping[str, bytes | None]
    title: str
    body: str
    campaign: str
    digest: str
    """See ``change_digest``."""
    message: str
    """Of the commit: subject and text without trailers."""
    date: datetime
    evidence: Mapping[str, bytes] = field(default_factory=dict)
    trailers: Mapping[str, str] = field(default_factory=dict)
    author: Identity = TUNER
    draft: bool = False
    """Opened as a draft: somebody has to look at a warning first."""
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.changes or self.changes.keys() & self.evidence.keys():
            raise ValueError("a proposal changes at least one file, and evidence is no file that it changes")
        for key, value in self.trailers.items():
            if not re.fullmatch(r"[A-Za-z0-9-]+", key) or not value.isprintable():
                raise ValueError(f"{key}: {value!r} is not a line that a commit's trailers can have")


@dataclass(frozen=True, slots=True)
class Proposed:
    """What became of it, and why; ``pull`` is the pull request it is about, where there is one."""

    outcome: Outcome
    reason: str
    commit: str
    pull: PullRequest | None


def propose(
    repository: Repository,
    forge: Forge,
    proposal: Proposal,
    *,
    around: Callable[[Effect], AbstractContextManager[object]] = lambda _: nullcontext(),
) -> Proposed:
    """Bring the forge to the state that the rules ask for; ``around`` encloses each outside effect.

    It may be killed anywhere and called again: the commit is the same, and what is done already is not done again.
    TemporaryError where the forge does not answer or other processes keep changing the same branch.
    """
    wanted = want(repository, proposal)
    first: Plan | None = None
    presented = False
    for round_ in range(_ROUNDS):
        _step_back(round_)
        now = plan(repository, forge, proposal, wanted)
        if presented:  # a forge that takes no label is not asked twice
            now = now.model_copy(update={"effects": tuple(e for e in now.effects if not isinstance(e, Present))})
        if not now.effects:
            break
        if first is not None and _agree(repository, forge, proposal.branch):
            now = first.model_copy(update={"reason": f"{first.reason}; another campaign has changed it since"})
            break
        try:
            for effect in now.effects:
                with around(effect):
                    perform(effect, repository, forge)
                presented = presented or any(isinstance(effect, Present) for effect in now.effects)
            first = first or now
        except ContendedError:
            if round_ == _ROUNDS - 1:
                raise
    else:
        raise TemporaryError(f"other processes keep changing {proposal.branch} (let one tuner at a time watch a spec)")
    result = first if now.outcome is Outcome.UNCHANGED and first is not None else now
    return Proposed(result.outcome, result.reason, wanted.commit, _pull(forge, proposal.branch, now.number))


def plan(repository: Repository, forge: Forge, proposal: Proposal, wanted: Wanted) -> Plan:
    """Look at the branch and at its pull requests in all states, and decide. Nothing is changed."""
    repository.fetch()
    base = repository.branch(proposal.base)
    if base is None:
        raise UserError.of(f"{repository.address} has no branch {proposal.base} to propose a change to")
    pulls = tuple((pull, _change_of(repository, pull)) for pull in forge.find(proposal.branch))
    tip = _tip(repository, proposal, base)
    told = tip is not None and not tip.ours and _told(forge, [pull for pull, _ in pulls])
    return decide(wanted, Seen(pulls, tip, _is_empty(repository, proposal, base), told))


def want(repository: Repository, proposal: Proposal) -> Wanted:
    """The commit, which no branch has yet, and the signed body."""
    marker = Marker(campaign=proposal.campaign, change=proposal.digest, fingerprint=_fingerprint(proposal))
    trailers = {
        **proposal.trailers,
        _CAMPAIGN: marker.campaign,
        _SPEC: ascii(proposal.spec_path)[1:-1],
        _CHANGE: marker.change,
        _FINGERPRINT: marker.fingerprint,
    }
    lines = "\n".join(f"{key}: {value}" for key, value in trailers.items())
    commit = repository.commit(
        parent=proposal.parent,
        changes={**proposal.changes, **proposal.evidence},
        message=f"{proposal.message.strip()}\n\n{lines}\n",
        date=proposal.date,
        author=proposal.author,
        committer=proposal.author,
    )
    return Wanted(
        proposal.branch,
        proposal.base,
        commit,
        proposal.title,
        marker.sign(proposal.body),
        marker,
        proposal.draft,
        proposal.labels,
        proposal.reviewers,
    )


def _agree(repository: Repository, forge: Forge, branch: str) -> bool:
    """Whether branch and open pull request speak of the same proposal, whoever's: then it is left to the later one."""
    repository.fetch()
    sha, pull = repository.branch(branch), _pull(forge, branch, None)
    marker = Marker.find(pull.body) if pull else None
    if sha is None or marker is None:
        return False
    return repository.commit_at(sha).trailers.get(_FINGERPRINT) == marker.fingerprint


def _step_back(round_: int) -> None:
    """Two proposers of different changes that kept the same pace would undo each other's work for ever."""
    if round_ > 1:
        time.sleep(random.uniform(0, min(_LONGEST_PAUSE, 0.25 * 2**round_)))  # noqa: S311  # no secret


def _fingerprint(proposal: Proposal) -> str:
    files = {**proposal.changes, **proposal.evidence}
    return digest_of(
        canonical_json(
            {
                "base": proposal.base,
                "change": proposal.digest,
                "title": proposal.title,
                "body": proposal.body,
                "draft": proposal.draft,
                "message": proposal.message,
                "trailers": dict(proposal.trailers),
                "files": {path: None if content is None else digest_of(content) for path, content in files.items()},
            }
        )
    )


def _told(forge: Forge, pulls: Sequence[PullRequest]) -> bool:
    numbers = [pull.number for pull in pulls if pull.state is PullRequestState.OPEN]
    return bool(numbers) and any(TOOK_OVER in said.text and said.ours for said in forge.comments(numbers[-1]))


def _change_of(repository: Repository, pull: PullRequest) -> str | None:
    """Digest of what a pull request proposed: from its body, or from its commit where a person edited the body."""
    marker = Marker.find(pull.body)
    if marker is not None:
        return marker.change
    try:
        return repository.commit_at(pull.head).trailers.get(_CHANGE)
    except (UserError, PermanentError):  # the forge may have thrown a closed branch's commits away
        return None


def _tip(repository: Repository, proposal: Proposal, base: str) -> Tip | None:
    sha = repository.branch(proposal.branch)
    if sha is None:
        return None
    commit = repository.commit_at(sha)
    ours = commit.committer == proposal.author and _CAMPAIGN in commit.trailers
    return Tip(sha, ours, repository.contains(base, sha), commit.trailers.get(_FINGERPRINT))


def _is_empty(repository: Repository, proposal: Proposal, base: str) -> bool:
    snapshot = repository.snapshot(base)
    for path, content in proposal.changes.items():
        entry = snapshot.entry(path)
        if content is None or entry is None:
            if content is not None or entry is not None:
                return False
        elif not entry.regular or entry.size != len(content) or snapshot.read(path) != content:
            return False
    return True


def _pull(forge: Forge, branch: str, number: int | None) -> PullRequest | None:
    pulls = forge.find(branch)
    chosen = [pull for pull in pulls if (pull.number == number if number else pull.state is PullRequestState.OPEN)]
    return chosen[-1] if chosen else None
