"""May this spec run at all? The policies are asked before the first trial, and the ledger has what they said."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

from tuner.campaign.asking import asked
from tuner.campaign.event import Admitted, CampaignEnded
from tuner.campaign.inputs import Inputs
from tuner.campaign.planning import make_plan
from tuner.campaign.session import Session
from tuner.engine.workload import Workload
from tuner.errors import TemporaryError, UserError
from tuner.policy.model import Verdict
from tuner.policy.point import AdmissionInput, Moment
from tuner.policy.stock import PRODUCT
from tuner.policy.waiver import read_waivers
from tuner.space.parameter import Parameter

__all__ = ["admission_input", "admit"]

_TEAM = "team"
_TIME = "time"
_LATER = 600.0
"""Seconds until a campaign that is denied by the time alone is asked again."""
_MOST_VALUES = 64
"""Of a parameter that is looked at for the GPUs that it may ask for."""


def admit(session: Session) -> bool:
    """Whether the campaign may begin; a denial ends it. Once admitted it is not asked again.

    TemporaryError where only the time is against it, or no policy engine answers. UserError for mistakes in the waiver
    file.
    """
    progress = session.progress
    if progress.trials or (progress.admitted is not None and progress.admitted.verdict.allow):
        return True
    document = admission_input(session.inputs, datetime.now(UTC))
    verdict = asked(session, document)
    known = progress.admitted
    if known is None or known.verdict.denials != verdict.denials:
        session.journal.record(Admitted(document=document, verdict=verdict))
    if verdict.allow:
        return True
    reasons = "; ".join(denial.msg for denial in verdict.denials)
    if _is_early(verdict):
        raise TemporaryError(f"the campaign may not begin now: {reasons}", delay=_LATER)
    session.journal.record(CampaignEnded(result="denied", reason=f"the spec may not run: {reasons}"))
    return False


def admission_input(inputs: Inputs, now: datetime) -> AdmissionInput:
    """The most that the campaign may take, by the spec and the manifest."""
    spec = inputs.spec
    plan, deployed = make_plan(inputs), inputs.workload(inputs.baseline)
    workloads = [deployed, *_variations(inputs)]
    names = sorted({name for each in workloads for name in each.resources.gpus})
    return AdmissionInput(
        service=spec.metadata.name,
        labels=dict(spec.metadata.labels),
        team=spec.metadata.labels.get(_TEAM, ""),
        engine=spec.service.engine,
        image=deployed.image,
        currency=plan.money.currency,
        trials=spec.budget.trials,
        wall_clock=spec.budget.wall_clock,
        money=float(plan.money.amount),
        gpus={name: max(each.resources.gpus.get(name, 0) for each in workloads) for name in names},
        products=tuple(sorted({each.node_selector.get(PRODUCT, "") for each in workloads})),
        time=Moment(date=f"{now:%Y-%m-%d}", weekday=now.isoweekday(), hour=round(now.hour + now.minute / 60, 2) % 24),
        waivers=read_waivers(inputs.snapshot),
    )


def _variations(inputs: Inputs) -> Iterator[Workload]:
    """The baseline with one parameter at another value, for each that lands in the manifest's resources or labels."""
    for parameter in inputs.space.parameters:
        if parameter.target.manifest is None:
            continue
        for value in _values(parameter):
            try:
                yield inputs.workload(inputs.space.complete({**inputs.baseline, parameter.name: value}))
            except UserError:  # this value alone cannot be; with others it may, which asks for no other GPUs
                continue


def _values(parameter: Parameter) -> Iterator[str | int | float | bool]:
    domain = parameter.domain
    if domain.size is None:
        yield from (end for end in (domain.low, domain.high) if end is not None)
    elif domain.values is None and domain.high is not None:
        yield from islice(domain.grid(), _MOST_VALUES)
        yield int(domain.high) if domain.kind == "int" else domain.high
    else:
        yield from domain.grid()


def _is_early(verdict: Verdict) -> bool:
    return all(denial.path.partition(".")[0] == _TIME for denial in verdict.denials)
