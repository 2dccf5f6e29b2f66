"""The step that tries configurations: ask, run, record, tell, until there is a reason to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

from tuner.campaign.event import SearchEnded, TrialFinished, TrialStarted
from tuner.campaign.failure import CampaignFailedError
from tuner.campaign.machine import MachineWatch, watch_machine
from tuner.campaign.measuring import measure_server
from tuner.campaign.remembering import about, recalled, remember
from tuner.campaign.session import Session
from tuner.engine.workload import Resources
from tuner.errors import UserError
from tuner.measurement.model import Measurement
from tuner.recommendation.confirm import BLOCKS
from tuner.search.beforehand import Beforehand
from tuner.search.effort import Effort, effort_of
from tuner.search.progress import progress
from tuner.search.record import Entry
from tuner.search.resemblance import resemblance
from tuner.search.stopping import stop_reason
from tuner.search.storage import sqlite_url
from tuner.search.study import ATTEMPTS, Exhausted, Proposal, Search
from tuner.search.threshold import least_capacity
from tuner.space.assignment import Assignment
from tuner.trial.outcome import Completed, Failed, FailureKind, Trial
from tuner.trial.protocol import InconclusiveTrialError, Server
from tuner.trial.run import Candidate, run_trial

__all__ = ["open_search", "search_configurations"]

UNPRICED = 1e12
"""The hourly cost of what this machine or the manifest cannot have, so that nobody wants it."""


@contextmanager
def open_search(session: Session, *, but: Collection[int] = ()) -> Iterator[Search]:
    """The campaign's study. What the ledger has finished is told first, so a lost or older database catches up.

    The trials of the numbers ``but`` are left for the caller to tell.
    """
    inputs = session.inputs
    url = session.parts.storage_url or sqlite_url(session.folder / "study.db")
    budget = inputs.spec.budget.trials
    with Search.open(
        inputs.space,
        inputs.spec.search,
        inputs.goal,
        url,
        session.run,
        budget=budget,
        beforehand=_beforehand(session) if inputs.spec.search.sampler == "tuner" else None,
    ) as search:
        search.enqueue(inputs.baseline, "baseline")
        for number in sorted(session.progress.trials.keys() - set(but)):
            _tell(session, search, session.progress.trials[number])
        yield search


def _beforehand(session: Session) -> Beforehand:
    """What this search knows before its first trial: the same in every process of the campaign."""
    experience, this = recalled(session), about(session)
    return Beforehand(
        hourly=_hourly(session),
        experience=experience,
        resemblance=[resemblance(this, earlier) for earlier in experience],
        paid=session.inputs.spec.budget.money is not None,
    )


def _hourly(session: Session) -> Callable[[Assignment], float]:
    """What an hour of a configuration costs; worked out once for each combination of what changes the resources."""
    inputs = session.inputs
    names = [parameter.name for parameter in inputs.space.parameters if parameter.target.manifest is not None]
    known: dict[tuple[object, ...], float] = {}

    def hourly(assignment: Assignment) -> float:
        key = tuple(assignment.get(name) for name in names)
        if key not in known:
            try:
                known[key] = inputs.goal.hourly(inputs.workload(assignment).resources)
            except UserError:
                known[key] = UNPRICED
        return known[key]

    return hourly


def search_configurations(session: Session) -> None:
    """Run trials until the budget is used or nothing more is to be gained; ends with a ``SearchEnded`` event.

    What was tried is kept as experience, however the search ends. CampaignFailedError where the baseline itself cannot
    be measured.
    """
    try:
        _search(session)
    except CampaignFailedError:
        remember(session)
        raise
    remember(session)


def _search(session: Session) -> None:
    inputs = session.inputs
    with watch_machine(session) as machine, open_search(session, but=session.progress.unchecked) as search:
        _settle(session, search, machine)
        _check_baseline(session)
        if inputs.space.contains(inputs.space.defaults()):
            search.enqueue(inputs.space.defaults())
        reason = _next_reason(session, search)
        while reason is None:
            _show(session, search)
            proposal = search.ask(_effort(session, search))
            if isinstance(proposal, Exhausted):
                reason = proposal.reason
                break
            if proposal.number not in session.progress.trials:
                _run(session, proposal, search.history())
            _settle(session, search, machine)
            _check_baseline(session)
            reason = _next_reason(session, search)
        _check_baseline(session, over=True)
        _show(session, search)
        session.history = search.history()
        session.journal.record(_ended(session, search, reason))


def _show(session: Session, search: Search) -> None:
    """Tell the observer how far the search is."""
    inputs = session.inputs
    size = session.started.space_size
    session.parts.observer.search(
        progress(
            inputs.spec.budget, inputs.goal, search.history(), session.elapsed, reserve=_reserve(session), size=size
        )
    )


def _settle(session: Session, search: Search, machine: MachineWatch) -> None:
    """Ask of the trials that just ended whether the machine held its speed, and then only tell the study."""
    waiting = session.progress.unchecked
    machine.check(lambda trial: _can_repeat(session, search, trial))
    for number in waiting:
        _tell(session, search, session.progress.trials[number])


def _can_repeat(session: Session, search: Search, trial: Trial) -> bool:
    """Whether the budget allows another trial, and the search would use it for this one's configuration."""
    history = search.history()
    spoiled = [entry for entry in history if entry.assignment == trial.assignment and not entry.pending]
    known = history[trial.number] if trial.number < len(history) else None
    handed_out = known.record.handed_out if known is not None else 0
    return len(spoiled) + 1 < ATTEMPTS and handed_out < ATTEMPTS and _next_reason(session, search) is None


def _ended(session: Session, search: Search, reason: str) -> SearchEnded:
    from tuner.search.importance import importance  # brings scikit-learn along, which only the end needs

    inputs = session.inputs
    found = importance(search.history(), inputs.space, inputs.goal, inputs.spec.search.seed)
    return SearchEnded(reason=reason, importance=found.shares or {}, importance_method=found.method or found.reason)


def _next_reason(session: Session, search: Search) -> str | None:
    return stop_reason(
        session.inputs.spec.budget,
        session.inputs.goal,
        search.history(),
        session.elapsed,
        reserve=_reserve(session),
    )


def _effort(session: Session, search: Search) -> Effort | None:
    reserve = _reserve(session)
    return effort_of(session.inputs.spec.budget, search.history(), session.elapsed, reserve=reserve)


def _reserve(session: Session) -> float:
    """Seconds kept for the confirmation: its blocks take about as long as trials; at most half of the whole budget."""
    seconds = sorted(trial.ended - trial.started for trial in session.progress.trials.values())
    expected = BLOCKS * seconds[len(seconds) // 2] if seconds else 0.0
    return min(expected, session.inputs.spec.budget.wall_clock / 2)


def _run(session: Session, proposal: Proposal, history: Sequence[Entry]) -> Trial:
    inputs = session.inputs
    try:
        workload = inputs.workload(proposal.assignment)
        session.journal.record(
            TrialStarted(
                number=proposal.number,
                assignment=proposal.assignment,
                workload=workload.digest,
                reason=proposal.reason,
            )
        )
        trial = run_trial(
            Candidate(proposal.number, proposal.assignment, workload),
            engine=inputs.engine,
            backend=session.backend,
            model=session.model,
            measure=lambda server: _measured(session, proposal, server, _enough(session, proposal, history)),
            trials=session.folder / "trials",
        )
    except UserError as error:
        if proposal.assignment == inputs.baseline:
            raise
        trial = _refused(proposal, str(error))
    session.journal.record(TrialFinished(trial=trial))
    return trial


def _refused(proposal: Proposal, reason: str) -> Trial:
    """A configuration that this machine or the manifest cannot have: its fault, and no reason to end the search."""
    now = time.time()
    outcome = Failed(failure=FailureKind.REFUSED, reason=reason)
    return Trial(
        number=proposal.number, assignment=proposal.assignment, workload="", outcome=outcome, started=now, ended=now
    )


def _check_baseline(session: Session, *, over: bool = False) -> None:
    """The baseline has not failed; when the search is over, it has been measured. A function of the ledger."""
    tried = [trial for trial in session.progress.trials.values() if trial.assignment == session.inputs.baseline]
    failed = [trial for trial in tried if isinstance(trial.outcome, Failed)]
    measured = any(isinstance(trial.outcome, Completed) for trial in tried)
    if failed or (over and not measured):
        last = (failed or tried)[-1].outcome if tried else None
        reason = "it was never tried" if last is None or isinstance(last, Completed) else last.reason
        raise CampaignFailedError(f"the baseline cannot be measured, so nothing can be compared with it: {reason}")


def _enough(session: Session, proposal: Proposal, history: Sequence[Entry]) -> float | None:
    """The capacity from which on this configuration matters; ``None`` where it is measured whatever it bears."""
    goal, baseline = session.inputs.goal, session.inputs.baseline
    if proposal.assignment == baseline:
        return None
    try:
        hourly = goal.hourly(session.inputs.workload(proposal.assignment).resources)
    except UserError:  # it has no price
        return None
    return least_capacity(goal, hourly, history)


def _measured(session: Session, proposal: Proposal, server: Server, enough: float | None) -> Measurement:
    """Measure; a baseline that bears no load at all is what runs in production, so that is not believed at once."""
    seed, label = session.inputs.spec.search.seed, f"trial {proposal.number}"
    measurement = measure_server(
        session,
        server,
        label,
        seed=seed,
        expected=_typical_rate(session),
        rate=session.inputs.spec.objective.rate,
        enough=enough,
    )
    tries = sum(trial.assignment == proposal.assignment for trial in session.progress.trials.values()) + 1
    if measurement.capacity is None and proposal.assignment == session.inputs.baseline and tries < ATTEMPTS:
        raise InconclusiveTrialError(f"the baseline bore no load within the SLO: {measurement.reason}")
    return measurement


def _typical_rate(session: Session) -> float | None:
    """Where to look for a capacity first: the median of those found so far."""
    outcomes = (trial.outcome for trial in session.progress.trials.values())
    measured = (outcome.measurement.capacity for outcome in outcomes if isinstance(outcome, Completed))
    rates = sorted(capacity.rate.value for capacity in measured if capacity is not None)
    return rates[len(rates) // 2] if rates else None


def _tell(session: Session, search: Search, trial: Trial) -> None:
    search.tell(trial, _resources(session, trial))


def _resources(session: Session, trial: Trial) -> Resources:
    """What the trial used; the baseline's resources for a configuration that could not even be priced."""
    try:
        resources = session.inputs.workload(trial.assignment).resources
        session.inputs.goal.hourly(resources)
    except UserError:
        return session.inputs.workload(session.inputs.baseline).resources
    return resources
