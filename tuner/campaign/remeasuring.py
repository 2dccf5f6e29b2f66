"""The step of a scheduled campaign: what is deployed is measured again, and compared with the service's own record.

The record is the latest published measurement of the very same workload. It is a regression where the two intervals do
not touch: the whole interval of now lies below the whole interval of then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tuner.campaign.event import CampaignEnded, Remeasured, TrialFinished, TrialStarted
from tuner.campaign.failure import CampaignFailedError
from tuner.campaign.journal import progress_of
from tuner.campaign.measuring import measure_server
from tuner.campaign.progress import Progress
from tuner.campaign.publishing import AUDIT_BRANCH, stored_chain
from tuner.campaign.session import Session
from tuner.measurement.model import Interval
from tuner.trial.outcome import Completed, Failed, FailureKind, Trial
from tuner.trial.run import Candidate, run_trial

__all__ = ["Record", "remeasure_deployed", "verdict"]

_TRIES = 3


@dataclass(frozen=True, slots=True)
class Record:
    """An earlier measurement of the same workload; the capacity in requests per second."""

    campaign: str
    capacity: Interval
    measured: float
    """When, in seconds since 1970."""


def remeasure_deployed(session: Session) -> None:
    """Measure what the manifest says now, and record what it says beside the record.

    CampaignFailedError where it cannot be measured.
    """
    trial = _measured(session)
    outcome = trial.outcome
    capacity = outcome.measurement.capacity if isinstance(outcome, Completed) else None
    event = verdict(trial.number, capacity.rate if capacity else None, _record(session))
    session.journal.record(event)
    session.journal.record(CampaignEnded(result="regressed" if event.regressed else "held", reason=_told(event)))


def verdict(trial: int, now: Interval | None, record: Record | None) -> Remeasured:
    """What a measurement says beside the record; without a record nothing has regressed."""
    if record is None:
        return Remeasured(trial=trial, capacity=now, regressed=False)
    then = record.capacity
    change = None
    if now is not None and min(then.low, then.value) > 0:
        change = Interval(value=now.value / then.value - 1, low=now.low / then.high - 1, high=now.high / then.low - 1)
    return Remeasured(
        trial=trial,
        capacity=now,
        record=record.campaign,
        recorded=then,
        change=change,
        regressed=now is None or now.high < then.low,
    )


def _measured(session: Session) -> Trial:
    """The trial that counts: the first that is believed, or that bore no load; three at most."""
    for number in range(_TRIES):
        trial = session.progress.trials.get(number) or _run(session, number)
        if _counts(trial):
            return trial
    reason = getattr(trial.outcome, "reason", "")
    raise CampaignFailedError(f"what is deployed cannot be measured: {reason}")


def _counts(trial: Trial) -> bool:
    outcome = trial.outcome
    bore_none = isinstance(outcome, Failed) and outcome.failure is FailureKind.INFEASIBLE
    return isinstance(outcome, Completed) or bore_none


def _run(session: Session, number: int) -> Trial:
    inputs = session.inputs
    assignment, workload = inputs.deployed, inputs.workload(inputs.deployed)
    session.journal.record(
        TrialStarted(number=number, assignment=assignment, workload=workload.digest, reason="the schedule")
    )
    trial = run_trial(
        Candidate(number, assignment, workload),
        engine=inputs.engine,
        backend=session.backend,
        model=session.model,
        measure=lambda server: measure_server(
            session,
            server,
            f"trial {number}",
            seed=inputs.spec.search.seed + number,
            rate=inputs.spec.objective.rate,
        ),
        trials=session.folder / "trials",
    )
    session.journal.record(TrialFinished(trial=trial))
    return trial


def _record(session: Session) -> Record | None:
    """The latest measurement of the deployed workload on the audit branch."""
    wanted = session.inputs.workload(session.inputs.deployed).digest
    found = [record for progress in _published(session) for record in _records(progress[0], progress[1], wanted)]
    return max(found, key=lambda record: record.measured, default=None)


def _published(session: Session) -> Iterator[tuple[str, Progress]]:
    """Every ended campaign of this spec, by its id."""
    repository, target = session.parts.repository, session.target
    tip = repository.branch(AUDIT_BRANCH)
    if tip is None:
        return
    snapshot = repository.snapshot(tip)
    for path in snapshot.files("audit"):
        campaign = path.rpartition("/")[2].removesuffix(".jsonl")
        if not path.endswith(".jsonl") or campaign == target.campaign:
            continue
        progress = progress_of(stored_chain(snapshot, path))
        if progress.started is not None and progress.started.spec_path == target.spec_path:
            yield campaign, progress


def _records(campaign: str, progress: Progress, workload: str) -> Iterator[Record]:
    for trial in progress.trials.values():
        outcome = trial.outcome
        if trial.workload == workload and isinstance(outcome, Completed) and outcome.measurement.capacity is not None:
            yield Record(campaign, outcome.measurement.capacity.rate, trial.ended)


def _told(event: Remeasured) -> str:
    if event.recorded is None:
        now = "no rate held" if event.capacity is None else f"{event.capacity.value:.4g}/s"
        return f"there was no record of this configuration: {now} is one from now on"
    then = f"{event.recorded.value:.4g}/s ({event.recorded.low:.4g}–{event.recorded.high:.4g}) of {event.record}"
    if event.capacity is None:
        return f"no rate holds the SLO any more, and it was {then}"
    now = f"{event.capacity.value:.4g}/s ({event.capacity.low:.4g}–{event.capacity.high:.4g})"
    word = "below the record" if event.regressed else "in keeping with the record"
    return f"the capacity is {now}: {word}, {then}"
