"""One campaign of the service's queue, in a process of its own."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from tuner.campaign.inputs import Inputs, read_inputs
from tuner.campaign.journal import progress_of
from tuner.campaign.observer import Silent
from tuner.campaign.parts import Parts
from tuner.campaign.run import run_campaign
from tuner.campaign.target import RERUN, Target, protected_branch
from tuner.cli.forges import Hosting, calls_left, hosting_of
from tuner.cli.wiring import Settings, make_parts
from tuner.engine.registry import engine_named
from tuner.errors import TemporaryError, TunerError, UserError
from tuner.pull_request.command import acknowledge, asked_to_rerun
from tuner.pull_request.marker import Marker
from tuner.pull_request.protocol import Forge, PullRequest, PullRequestState
from tuner.repository.repository import Repository
from tuner.spec.loading import load_spec
from tuner.telemetry.logs import logger
from tuner.value import digest_of
from tuner.watch.account import account_of
from tuner.watch.chores import Followed, Rerun
from tuner.watch.configuration import Configuration, Watched
from tuner.watch.following import follow_pull_requests
from tuner.watch.job import Account

__all__ = ["Asked", "follow_repository", "run_queued"]

_AGAIN = 5.0
"""Seconds after which the service has seen what moved."""
_log = logger("watch")


@dataclass(frozen=True, slots=True)
class Asked:
    """Which campaign: a spec, as it was at the revision that the service saw."""

    repository: str
    spec_path: str
    revision: str
    occasion: str = ""


def run_queued(asked: Asked, configuration: Configuration, settings: Settings) -> Account:
    """Run or resume the campaign; its account.

    UserError, TemporaryError and PermanentError as ``run_campaign``; TemporaryError, too, where the branch is another
    one than the service saw: it is about to see that.
    """
    watched = configuration.repository(asked.repository)
    hosting = hosting_of(configuration, watched)
    with _opened(watched, hosting, settings.state) as repository:
        branch = protected_branch(repository, watched.branch)
        _still_meant(repository, branch, asked)
        text = repository.snapshot(repository.resolve(branch)).read(asked.spec_path)
        service = load_spec(text, asked.spec_path).spec.metadata.name
        target = Target.of(repository, asked.spec_path, branch, service, asked.occasion)
        _leave_rewritten(target, repository, settings.state)
        parts = _parts(hosting, repository, settings)
        progress = run_campaign(target, parts)
        base = progress.started.base_commit if progress.started else None
        account = account_of(target, progress, _inputs(repository, target, base))
        return account.model_copy(update={"limits": calls_left(parts.forge)})


def follow_repository(
    watched: Watched, since: datetime | None, configuration: Configuration, settings: Settings
) -> Followed:
    """Look at a repository's pull requests that changed; the chains of those that were closed say so from now on."""
    hosting = hosting_of(configuration, watched)
    with _opened(watched, hosting, settings.state) as repository:
        parts = _parts(hosting, repository, settings)
        pulls = parts.forge.list(since)
        closed = tuple((one.target.campaign, one.pull.state.value) for one in follow_pull_requests(parts, pulls))
        return Followed(closed, tuple(_asked_again(parts.forge, pulls)))


def _asked_again(forge: Forge, pulls: Sequence[PullRequest]) -> Iterator[Rerun]:
    """Comments of people who may write that ask for a further campaign, on those of the pull requests that are open."""
    for pull in pulls:
        marker = Marker.find(pull.body) if pull.state is PullRequestState.OPEN else None
        for remark in asked_to_rerun(forge, pull.number) if marker else ():
            text = "A further campaign is in the queue."
            answer = partial(acknowledge, forge, pull.number, remark, text)
            yield Rerun(marker.campaign if marker else "", f"{RERUN}{pull.number}-{remark.id}", answer)


@contextmanager
def _opened(watched: Watched, hosting: Hosting, state: Path) -> Iterator[Repository]:
    """The full clone that campaigns of a repository share; fetched by one process at a time."""
    key = digest_of(watched.url).removeprefix("sha256:")[:12]
    folder = state / "repositories" / f"{watched.name}-{key}"
    folder.parent.mkdir(parents=True, exist_ok=True)

    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        repository = Repository.clone(watched.url, folder, local=True, access=hosting.access)
    with repository:
        yield repository


def _still_meant(repository: Repository, branch: str, asked: Asked) -> None:
    """The branch has the revision in its history, and its spec is the one of that revision."""
    head = repository.resolve(branch)
    if not repository.contains(head, asked.revision):
        raise TemporaryError(f"{branch} was rewritten since {asked.revision[:12]} was seen", delay=_AGAIN)
    seen, now = (repository.snapshot(sha).entry(asked.spec_path) for sha in (asked.revision, head))
    if seen is None or now is None or seen.sha != now.sha:
        raise TemporaryError(f"{asked.spec_path} changed since {asked.revision[:12]} was seen", delay=_AGAIN)


def _leave_rewritten(target: Target, repository: Repository, state: Path) -> None:
    """Set a campaign aside that began on a commit which a force-push took out of the branch: it begins anew."""
    folder = target.folder(state)
    ledger = folder / "ledger.jsonl"
    if not ledger.is_file():
        return
    try:
        started = progress_of(ledger.read_bytes()).started
    except TunerError:
        return  # whoever opens it says what is wrong with it
    if started is None or repository.contains(repository.resolve(target.branch), started.base_commit):
        return
    _log.warning("the campaign's base was rewritten: it begins anew", campaign=target.campaign)
    folder.rename(folder.with_name(f"{folder.name}.on-{started.base_commit[:12]}"))


def _parts(hosting: Hosting, repository: Repository, settings: Settings) -> Parts:
    return replace(make_parts(repository, settings, Silent()), forge=hosting.forge(repository))


def _inputs(repository: Repository, target: Target, base: str | None) -> Inputs | None:
    """What the campaign read, for its core-hours; None where that cannot be read any more."""
    if not base:
        return None
    try:
        return read_inputs(repository.snapshot(base), target.spec_path, engine_named)
    except UserError:
        return None
