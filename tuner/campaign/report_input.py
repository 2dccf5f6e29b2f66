"""What a campaign's report is made from: a function of the ledger and of what the campaign read, nothing else."""

from __future__ import annotations

from decimal import Decimal

from tuner.campaign.changing import changed_manifest, changes_of, fleet_of
from tuner.campaign.event import CampaignStarted
from tuner.campaign.inputs import Inputs
from tuner.campaign.progress import Progress
from tuner.campaign.session import Session
from tuner.manifest.manifest import Manifest
from tuner.measurement.drift import percent
from tuner.pull_request.proposal import branch_name
from tuner.recommendation.cost import cost_of
from tuner.recommendation.efficiency import Efficiency, efficiency_of
from tuner.recommendation.model import Cost, Propose, Recommendation
from tuner.report.model import (
    Audit,
    Candidate,
    Effort,
    Importance,
    Machine,
    Origin,
    Phase,
    ReportInput,
    Shipped,
    Stability,
)
from tuner.space.price import hourly_cost
from tuner.spec.quantity import Money
from tuner.trial.outcome import Completed, Trial

__all__ = ["PAGE", "report_input"]

PAGE = "report.html"


def report_input(session: Session) -> ReportInput:
    """Everything that the report says."""
    progress, inputs, target = session.progress, session.inputs, session.target
    accepted = progress.accepted
    proposed = None if accepted is None else progress.trials[accepted]
    fleet = None if accepted is None else fleet_of(inputs, progress.recommended[accepted])
    manifest = changed_manifest(inputs, proposed.assignment, fleet) if proposed else None
    return ReportInput(
        spec=inputs.spec,
        origin=Origin(
            campaign=target.campaign,
            spec_path=target.spec_path,
            manifest_path=inputs.manifest_path,
            commit=target.spec_commit,
            base=target.branch,
            branch=branch_name(target.spec_path),
            trace=session.started.trace or None,
        ),
        machine=_machine(session),
        parameters=inputs.space.parameters,
        size=session.started.space_size,
        baseline=session.started.baseline_workload,
        trials=tuple(progress.trials[number] for number in sorted(progress.trials)),
        costs={number: cost for number, trial in progress.trials.items() if (cost := _cost(session, trial))},
        efficiencies={
            number: each for number, trial in progress.trials.items() if (each := _efficiency(session, trial))
        },
        recommendation=progress.decided,
        bands=progress.bands,
        front=progress.front,
        counts=inputs.space.replicas,
        candidates=tuple(_candidate(session, number) for number in progress.recommended),
        comparison_rate=_comparison_rate(session),
        changes=changes_of(inputs, proposed.assignment, fleet) if proposed else (),
        diff=inputs.manifest.diff(manifest) if manifest else "",
        shipped=_shipped(inputs, manifest) if manifest else None,
        phases=tuple(Phase(name=name, seconds=seconds) for name, seconds in session.progress.measured_steps.items()),
        effort=_effort(session),
        stability=_stability(session.progress),
        audit=_audit(session),
        importance=_importance(session),
        report=f"{target.evidence}/{PAGE}",
        figures=target.evidence,
    )


def _shipped(inputs: Inputs, manifest: Manifest) -> Shipped:
    """What the manifest holds; a trial measures one replica, so their number is no part of what it is."""
    workload = manifest.workload.model_copy(update={"replicas": inputs.manifest.workload.replicas})
    measured = workload if inputs.space.replicas else manifest.workload
    return Shipped(workload=measured.digest, image=workload.image)


def _comparison_rate(session: Session) -> float | None:
    """The rate of the candidate that the report is about (``subject_of``); ``None`` where none was compared."""
    progress = session.progress
    compared = [number for number, each in progress.recommended.items() if each.comparison is not None]
    denied = [number for number, judged in progress.judged.items() if not judged.verdict.allow]
    chosen = progress.accepted if progress.accepted is not None else next(iter([*denied, *reversed(compared)]), None)
    return None if chosen is None else session.comparison_rate(chosen)


def _machine(session: Session) -> Machine:
    hardware, started = session.started.machine, session.started
    return Machine(
        processor=hardware.cpu_model,
        cores=len(hardware.cpus),
        memory=hardware.memory,
        system=started.system,
        gpus=tuple(gpu.product for gpu in hardware.gpus.gpus),
        backend=started.backend,
        engine=started.engine,
    )


def _cost(session: Session, trial: Trial) -> Cost | None:
    if not isinstance(trial.outcome, Completed) or trial.outcome.measurement.cut is not None:
        return None
    if trial.outcome.measurement.capacity is None:
        return None
    resources = session.inputs.workload(trial.assignment).resources
    spec = session.inputs.spec
    bands = session.inputs.goal.bands
    expected, counts = (spec.load.expected, ()) if bands is None else (bands.rate, bands.counts)
    return cost_of(trial.outcome.measurement.capacity.rate, resources, spec.prices, expected, counts)


def _efficiency(session: Session, trial: Trial) -> Efficiency | None:
    if not isinstance(trial.outcome, Completed) or trial.outcome.measurement.cut is not None:
        return None
    return efficiency_of(trial.outcome.measurement, session.inputs.workload(trial.assignment).resources)


def _stability(progress: Progress) -> Stability | None:
    if progress.level is None:
        return None
    return Stability(
        looks=len(progress.checks),
        noise=round(progress.level.noise()[0], 4),
        changes={number: percent(check.change) for number, check in progress.changes.items() if check.change},
        repeated=tuple(sorted(progress.repeated)),
        blocks=tuple(check.block[1] for check in progress.checks if check.block is not None and check.change),
    )


def _candidate(session: Session, number: int) -> Candidate:
    progress = session.progress
    recommendation, judged = progress.recommended[number], progress.judged.get(number)
    sequence = session.journal.sequence
    return Candidate(
        trial=number,
        comparison=recommendation.comparison,
        comparison_record=sequence.get(f"recommended {number}"),
        verdict=judged.verdict if judged else None,
        verdict_record=sequence.get(f"judged {number}"),
        document=judged.document if judged else None,
        reason=_why_not(recommendation, allowed=bool(judged and judged.verdict.allow)),
    )


def _why_not(recommendation: Recommendation, *, allowed: bool) -> str:
    if isinstance(recommendation, Propose):
        return "" if allowed else "a policy denied it"
    return recommendation.reason


def _effort(session: Session) -> Effort:
    """Core-hours and money of every server that was started, at its own resources' price."""
    prices = session.inputs.spec.prices
    hours, money = 0.0, Decimal(0)
    for assignment, seconds in session.server_seconds():
        resources = session.inputs.workload(assignment).resources
        hourly = hourly_cost(prices, resources.cpu, resources.memory, resources.gpus)
        hours += seconds / 3600 * (resources.cpu or 0.0)
        money += hourly.amount * Decimal(repr(seconds / 3600))
    return Effort(
        trials=len(session.progress.trials),
        elapsed=sum(session.progress.measured_steps.values()),
        core_hours=hours,
        money=Money(amount=round(money, 6), currency=prices.currency),
    )


def _audit(session: Session) -> Audit:
    sequence, files = session.journal.sequence, session.target.audit
    accepted = session.progress.accepted
    return Audit(
        path=str(files.chain),
        head_path=str(files.head),
        spec=sequence[CampaignStarted.model_fields["kind"].default],
        recommendation=sequence.get(f"recommended {accepted}"),
        trials={number: sequence[f"trial-finished {number}"] for number in session.progress.trials},
    )


def _importance(session: Session) -> Importance | None:
    ended = session.progress.search_ended
    if ended is None or not ended.importance:
        return None
    return Importance(shares=ended.importance, method=ended.importance_method)
