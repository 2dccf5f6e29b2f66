"""The last step: open the pull request, or say why there is none.

The intent is recorded first; the chain up to that record, signed, goes into the pull request. What the forge does
afterwards continues the same chain.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import get_args

from tuner.campaign.changing import changed_files, fleet_of, settings
from tuner.campaign.event import CampaignEnded, ForgeState, ProposalIntended, PullRequestChanged
from tuner.campaign.evidence import attestations, policy_files
from tuner.campaign.reporting import read_report, report_files
from tuner.campaign.reserving import reserve_for
from tuner.campaign.session import Session
from tuner.ledger.head import sign_head
from tuner.ledger.record import Record
from tuner.pull_request.decision import Outcome
from tuner.pull_request.effect import Effect, Push
from tuner.pull_request.owners import owners_of
from tuner.pull_request.proposal import Proposal, Proposed, branch_name, change_digest, propose
from tuner.recommendation.model import Propose
from tuner.space.assignment import Assignment
from tuner.value import digest_of

__all__ = ["end_campaign"]

_LABELS = ("tuner",)
_OPEN = (Outcome.OPENED, Outcome.UPDATED, Outcome.UNCHANGED)


def end_campaign(session: Session) -> None:
    """Propose the accepted candidate, if there is one, and record how the campaign ended.

    The slices that it takes are reserved first: the last one may be gone since the policies looked. Killed anywhere and
    called again, it ends with exactly one pull request. Errors as ``propose``.
    """
    accepted = session.progress.accepted
    if accepted is None:
        session.journal.record(_without_proposal(session))
        return
    workload = session.progress.judged[accepted].document.candidate.workload
    if not session.progress.carried and (reason := reserve_for(session, workload)):
        session.journal.record(CampaignEnded(result="denied", reason=reason))
        return
    proposed = _propose(session, session.progress.trials[accepted].assignment)
    result = "proposed" if proposed.outcome in _OPEN else "not-proposed"
    session.journal.record(CampaignEnded(result=result, reason=_told(proposed)))


def _without_proposal(session: Session) -> CampaignEnded:
    progress = session.progress
    denied = [judged for judged in progress.judged.values() if not judged.verdict.allow]
    kept = [each for each in progress.recommended.values() if not isinstance(each, Propose)]
    if denied:
        reasons = "; ".join(denial.msg for denial in denied[0].verdict.denials) or "no policy allowed it"
        others = len(denied) - 1
        more = f" (and {others} more candidate{'s were' if others > 1 else ' was'} denied)" if others else ""
        after = f"; after that: {kept[-1].reason}" if kept else ""
        return CampaignEnded(result="denied", reason=f"a better configuration is denied: {reasons}{more}{after}")
    reason = kept[-1].reason if kept else "no configuration other than the baseline met the SLO"
    return CampaignEnded(result="kept-baseline", reason=reason)


def _propose(session: Session, assignment: Assignment) -> Proposed:
    changes = changed_files(session.inputs, assignment, _fleet(session))
    if not changes:
        return Proposed(Outcome.EMPTY_DIFF, "the manifest has these settings already", "", None)
    intent = _intent(session, assignment, changes)
    proposal = _proposal(session, assignment, changes, intent)

    @contextmanager
    def around(effect: Effect) -> Iterator[None]:
        yield
        if isinstance(effect, Push):
            session.journal.record(PullRequestChanged(state="pushed", commit=effect.sha))

    proposed = propose(session.parts.repository, session.parts.forge, proposal, around=around)
    if proposed.outcome.value in get_args(ForgeState):
        session.journal.record(_change(proposed))
    return proposed


def _fleet(session: Session) -> int | None:
    """The accepted candidate's replicas, where the manifest is to be given some."""
    accepted = session.progress.accepted
    return None if accepted is None else fleet_of(session.inputs, session.progress.recommended[accepted])


def _intent(session: Session, assignment: Assignment, changes: dict[str, bytes]) -> Record:
    """The record that closes the part of the chain which goes into the pull request; written once."""
    for record in session.journal.records:
        if record.kind == "proposal-intended":
            return record
    before, after = settings(session.inputs, assignment, _fleet(session))
    return session.journal.record(
        ProposalIntended(
            branch=branch_name(session.target.spec_path),
            base=session.target.branch,
            change=change_digest(session.target.spec_path, before, after),
            title=read_report(session).title,
            files={path: digest_of(raw) for path, raw in changes.items()},
        )
    )


def _proposal(session: Session, assignment: Assignment, changes: dict[str, bytes], intent: Record) -> Proposal:
    """A function of the ledger up to the intent: made again after a crash, it gives the same commit."""
    target, report = session.target, read_report(session)
    before, after = settings(session.inputs, assignment, _fleet(session))
    moment = datetime.fromisoformat(intent.time)
    chain = b"".join(record.line() for record in session.journal.records[: intent.seq])
    signed = sign_head(chain, session.parts.key, time=moment)
    audit = {str(path): raw for path, raw in target.audit.content(chain, signed).items()}
    audit |= policy_files(target, session.progress)
    audit |= attestations(target, session.progress, session.journal.records[: intent.seq], session.parts.key)
    return Proposal(
        spec_path=target.spec_path,
        branch=branch_name(target.spec_path),
        base=target.branch,
        parent=session.started.base_commit,
        changes=dict(changes),
        title=report.title,
        body=report.body,
        campaign=target.campaign,
        digest=change_digest(target.spec_path, before, after),
        message=f"{report.title}\n\nMeasured, confirmed and judged in campaign {target.campaign}; the report and the "
        f"audit log are in {target.evidence}.",
        date=moment,
        evidence=audit | {f"{target.evidence}/{name}": raw for name, raw in report_files(report).items()},
        trailers={"Tuner-Audit-Head": signed.head.hash},
        draft=_warned(session),
        labels=_LABELS,
        reviewers=owners_of(session.parts.repository.snapshot(session.started.base_commit), changes),
    )


def _warned(session: Session) -> bool:
    """Whether a policy allows the change with a warning: then a person takes it out of the draft, having read that."""
    accepted = session.progress.accepted
    return accepted is not None and bool(session.progress.judged[accepted].verdict.warnings)


def _told(proposed: Proposed) -> str:
    if proposed.pull is not None and proposed.outcome in (Outcome.OPENED, Outcome.UPDATED):
        return f"pull request {proposed.pull.number} was {proposed.outcome.value}"
    return proposed.reason


def _change(proposed: Proposed) -> PullRequestChanged:
    pull = proposed.pull
    return PullRequestChanged(
        state=proposed.outcome.value,
        number=pull.number if pull else None,
        url=pull.url if pull else "",
        commit=proposed.commit,
        reason=proposed.reason,
    )
