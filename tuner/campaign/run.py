"""One pass over the pipeline: the list of steps, in order, each run until it is finished and never again."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from opentelemetry import trace

from tuner.campaign.admitting import admit
from tuner.campaign.confirming import confirm_candidates
from tuner.campaign.event import CampaignEnded, CampaignStarted, StepFinished, StepName, StepStarted
from tuner.campaign.failure import CampaignFailedError
from tuner.campaign.inputs import read_inputs
from tuner.campaign.journal import Journal, progress_of
from tuner.campaign.parts import Parts
from tuner.campaign.progress import Progress
from tuner.campaign.proposing import end_campaign
from tuner.campaign.publishing import publish, published_chain, published_index
from tuner.campaign.remeasuring import remeasure_deployed
from tuner.campaign.remembering import COPY
from tuner.campaign.reporting import write_report
from tuner.campaign.searching import search_configurations
from tuner.campaign.session import Session
from tuner.campaign.target import Target
from tuner.campaign.telling import tell_begun, tell_ended
from tuner.errors import PermanentError, UserError
from tuner.ledger.index import index_head
from tuner.telemetry.logs import campaign_log, logger
from tuner.telemetry.tracing import span
from tuner.trial.hardware import survey

__all__ = ["STEPS", "run_campaign"]

STEPS: tuple[tuple[StepName, Callable[[Session], None]], ...] = (
    ("search", search_configurations),
    ("confirm", confirm_candidates),
    ("report", write_report),
    ("propose", end_campaign),
)

AGAIN: tuple[tuple[StepName, Callable[[Session], None]], ...] = (("remeasure", remeasure_deployed),)
"""The step of a campaign that a spec's schedule asked for."""

_log = logger("campaign")


def run_campaign(target: Target, parts: Parts) -> Progress:
    """Run, or resume, a campaign to its end, and publish its chain; one that was published is only read.

    UserError where the spec or what it names is wrong: before the first trial has ended nothing has been begun then, so
    that the next call reads what was mended. TemporaryError where an outside system does not answer, PermanentError
    where a person has to mend something: the next call goes on. KeyboardInterrupt passes through; nothing is lost.
    """
    published = published_chain(parts.repository, target)
    if published is not None:
        return progress_of(published)
    folder = target.folder(parts.state)
    with (
        campaign_log(target.campaign, folder),
        span("campaign", {"tuner.campaign": target.campaign, "tuner.service": target.service}),
        Journal.open(folder / "ledger.jsonl", target.campaign, parts.observer) as journal,
    ):
        try:
            if journal.progress.ended is None:
                _work(target, parts, journal)
        except UserError:
            if not journal.progress.trials:
                _forget(folder)
            raise
        return _published(target, parts, journal)


def _forget(folder: Path) -> None:
    """Nothing was measured: the next call begins with what the branch has then."""
    for name in ("ledger.jsonl", "study.db", "study.db-wal", "study.db-shm", COPY):
        (folder / name).unlink(missing_ok=True)


def _work(target: Target, parts: Parts, journal: Journal) -> None:
    """Read everything from the base commit, which is the branch's head when the campaign starts for the first time."""
    started = journal.progress.started
    base = started.base_commit if started else parts.repository.resolve(target.branch)
    inputs = read_inputs(parts.repository.snapshot(base), target.spec_path, parts.engine)
    with Session.open(target, parts, journal, inputs) as session:
        if started is None:
            journal.record(_start(session, base))
        elif dict(inputs.digests) != started.inputs or inputs.bundle.revision != started.policy_revision:
            raise PermanentError(
                f"what {target.campaign} rests on has changed since it began (another version of tuner or of its "
                f"policies): remove {session.folder} to begin anew"
            )
        if not admit(session):
            return
        tell_begun(target, parts)
        parts.observer.campaign(target.campaign, inputs.spec.budget.trials, inputs.spec.objective.goal)
        try:
            for name, step in AGAIN if target.remeasures else STEPS:
                if name not in journal.progress.steps:
                    _run_step(name, step, session)
        except CampaignFailedError as error:
            _log.info("the campaign failed", reason=str(error))
            journal.record(CampaignEnded(result="failed", reason=str(error)))


def _run_step(name: StepName, step: Callable[[Session], None], session: Session) -> None:
    began = time.monotonic()
    session.journal.record(StepStarted(step=name))
    with span(f"step {name}"):
        step(session)
    session.journal.record(StepFinished(step=name, seconds=round(time.monotonic() - began, 3)))


def _start(session: Session, base: str) -> CampaignStarted:
    target, inputs = session.target, session.inputs
    return CampaignStarted(
        service=target.service,
        spec_path=target.spec_path,
        spec_commit=target.spec_commit,
        base_branch=target.branch,
        base_commit=base,
        inputs=dict(inputs.digests),
        engine=inputs.engine.name,
        backend=session.backend.name,
        policy_revision=inputs.bundle.revision,
        space_size=inputs.space.size(),
        baseline=inputs.baseline,
        baseline_workload=inputs.workload(inputs.baseline).digest,
        seed=inputs.spec.search.seed,
        tuner=version("tuner"),
        machine=survey(),
        system=f"{platform.system()} {platform.release()}",
        trace=_trace_id(),
        occasion=target.occasion,
        index=index_head(published_index(session.parts.repository)),
    )


def _published(target: Target, parts: Parts, journal: Journal) -> Progress:
    """Tell the commit, and put the whole chain on the audit branch; with the report, where no pull request carries it.

    In this order: what is on the audit branch is not looked at again.
    """
    tell_ended(target, parts, journal.progress)
    folder = target.folder(parts.state) / "report"
    alone = not journal.progress.carried and folder.is_dir()
    also = {f"{target.evidence}/{file.name}": file.read_bytes() for file in sorted(folder.iterdir())} if alone else {}
    publish(parts.repository, target, journal.chain(), parts.key, also)
    return journal.progress


def _trace_id() -> str:
    """The trace that this campaign began in; empty where nothing is traced."""
    context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else ""
