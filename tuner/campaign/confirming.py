"""The step that makes sure: the best candidate against the baseline again, interleaved, then judged by the policies.

A candidate that is better and denied makes room for the next one; at most ``CANDIDATES`` are confirmed, and each gets
its share of the error that the spec allows.
"""

from __future__ import annotations

from tuner.campaign.event import (
    BandsRecommended,
    BlockFinished,
    BlockStarted,
    FrontRecommended,
    Judged,
    Recommended,
)
from tuner.campaign.judging import judge
from tuner.campaign.machine import watch_machine
from tuner.campaign.measuring import measure_server
from tuner.campaign.searching import open_search
from tuner.campaign.session import Session, capacity_of
from tuner.policy.model import Verdict
from tuner.recommendation.bands import Band, bands_of
from tuner.recommendation.confirm import Block, Confirmation, Contender, result_of, shared_confidence
from tuner.recommendation.decide import keep_without_candidate, out_of_time, recommend
from tuner.recommendation.model import KeepBaseline, Propose, Recommendation
from tuner.recommendation.rank import Ranking, rank
from tuner.search.record import Entry
from tuner.space.assignment import Assignment
from tuner.trial.outcome import Trial
from tuner.trial.run import Candidate, run_trial

__all__ = ["CANDIDATES", "confirm_candidates"]

CANDIDATES = 3
_OF_A_CANDIDATE = frozenset({"candidate", "changes", "ratio", "relative"})
"""Parts of the policies' document that another candidate would change."""
_NUMBERS = 1000
"""Blocks have trial folders of their own, numbered by candidate, block and attempt."""


def confirm_candidates(session: Session) -> None:
    """Confirm and judge candidates, best first, until one is allowed, one is no better, or time or candidates end.

    With bands these are the candidates of today's band. What is best in each band, or the Pareto set, is recorded at
    the end.
    """
    ranking = _ranking(session)
    _confirm(session, ranking)
    if ranking.front and not session.progress.front:
        session.journal.record(FrontRecommended(points=ranking.front))
    if session.inputs.goal.bands is not None and not session.progress.bands:
        session.journal.record(BandsRecommended(bands=_bands(session)))


def _bands(session: Session) -> tuple[Band, ...]:
    """The winner of each band, with what the confirmation showed of it; a function of the ledger."""
    progress = session.progress
    shown = {
        progress.trials[number].workload: isinstance(recommendation, Propose)
        for number, recommendation in progress.recommended.items()
        if recommendation.comparison is not None
    }
    return bands_of(session.inputs.goal, _history(session), session.started.baseline_workload, shown)


def _confirm(session: Session, ranking: Ranking) -> None:
    if not ranking.candidates and not session.progress.recommended:
        baseline = session.baseline_trial.number
        session.journal.record(Recommended(candidate=baseline, recommendation=keep_without_candidate(ranking.reason)))
    for candidate in ranking.candidates[:CANDIDATES]:
        number = candidate.number
        recommendation = session.progress.recommended.get(number) or _recommended(session, number)
        if not isinstance(recommendation, Propose):
            return
        judged = session.progress.judged.get(number) or _judged(session, number, recommendation)
        if judged.verdict.allow or _denies_every_candidate(judged.verdict):
            return


def _ranking(session: Session) -> Ranking:
    """Trials that measured better than the baseline, best first; a function of the ledger."""
    return rank(session.inputs.goal, _history(session), session.started.baseline_workload)


def _history(session: Session) -> tuple[Entry, ...]:
    if session.history is None:
        with open_search(session) as search:
            session.history = search.history()
    return session.history


def _recommended(session: Session, number: int) -> Recommendation:
    recommendation = _out_of_time(session, number) or recommend(_confirmed(session, number))
    session.journal.record(Recommended(candidate=number, recommendation=recommendation))
    return recommendation


def _out_of_time(session: Session, number: int) -> KeepBaseline | None:
    progress = session.progress
    limit, begun = session.inputs.spec.budget.wall_clock, number in progress.blocks
    return out_of_time(limit, session.elapsed, number, confirmed=len(progress.recommended), begun=begun)


def _judged(session: Session, number: int, recommendation: Propose) -> Judged:
    judged = judge(session, number, recommendation)
    session.journal.record(judged)
    return judged


def _denies_every_candidate(verdict: Verdict) -> bool:
    """Whether a reason lies in the campaign (too few trials, no limits for the currency), not in this candidate."""
    return any(denial.path.partition(".")[0] not in _OF_A_CANDIDATE for denial in verdict.denials)


def _confirmed(session: Session, number: int) -> Confirmation:
    """Measure every block that the ledger does not have yet."""
    inputs, spec = session.inputs, session.inputs.spec
    assignment = session.progress.trials[number].assignment
    confirmation = Confirmation(
        inputs.goal,
        _contender(session, inputs.baseline),
        _contender(session, assignment),
        confidence=shared_confidence(spec.slo.confidence, CANDIDATES),
        seed=spec.search.seed + _NUMBERS * (number + 1),
        expected=spec.load.expected,
    )
    for event in session.progress.blocks.get(number, ()):
        confirmation.record(event.block, result_of(event.trial.outcome, inputs.goal))
    with watch_machine(session) as machine:
        while (block := _next(session, confirmation)) is not None:
            session.journal.record(BlockStarted(candidate=number, block=block))
            trial = _run(session, number, block, inputs.baseline if block.side == "baseline" else assignment)
            session.journal.record(BlockFinished(candidate=number, block=block, trial=trial))
            machine.check_block(number, block.index)
            confirmation.record(block, result_of(trial.outcome, inputs.goal))
    return confirmation


def _next(session: Session, confirmation: Confirmation) -> Block | None:
    if session.elapsed > session.inputs.spec.budget.wall_clock:
        confirmation.out_of_time()
    return confirmation.next()


def _contender(session: Session, assignment: Assignment) -> Contender:
    workload = session.inputs.workload(assignment)
    return Contender(assignment=assignment, workload=workload.digest, resources=workload.resources)


def _run(session: Session, number: int, block: Block, assignment: Assignment) -> Trial:
    rate = session.comparison_rate(number)
    capacity = capacity_of(session.baseline_trial if block.side == "baseline" else session.progress.trials[number])
    return run_trial(
        Candidate(
            _NUMBERS * (number + 1) + 10 * block.index + block.attempt, assignment, session.inputs.workload(assignment)
        ),
        engine=session.inputs.engine,
        backend=session.backend,
        model=session.model,
        measure=lambda server: measure_server(
            session, server, f"block {block.index + 1}, {block.side}", seed=block.seed, known=capacity, rate=rate
        ),
        trials=session.folder / "trials",
    )
