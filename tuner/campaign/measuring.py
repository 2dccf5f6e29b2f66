"""Measuring a started server on behalf of a campaign: the spec's load, within its SLO, shown while it runs."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.campaign.observer import Observer
from tuner.campaign.session import Session
from tuner.load.protocol import LoadGenerator, LoadPlan, LoadResult
from tuner.measurement.course import measure
from tuner.measurement.model import Measurement
from tuner.trial.protocol import InconclusiveTrialError, Server

__all__ = ["measure_server"]


@dataclass(frozen=True, slots=True)
class _Shown:
    """A generator whose loads are shown to the observer."""

    inner: LoadGenerator
    observer: Observer
    label: str

    def run(self, plan: LoadPlan) -> LoadResult:
        result = self.inner.run(plan)
        self.observer.load(self.label, plan.rate, result)
        return result


def measure_server(
    session: Session,
    server: Server,
    label: str,
    *,
    seed: int,
    expected: float | None = None,
    known: float | None = None,
    rate: float | None = None,
    enough: float | None = None,
) -> Measurement:
    """The measurement of a trial; ``expected`` capacity in requests per second, where there is a guess.

    With ``known``, the capacity of an earlier trial, it is the shorter one of a confirmation block. ``rate``: where to
    take the latency too. ``enough``: the capacity from which on it matters; a lower one is cut short.
    InconclusiveTrialError where the measurement cannot be believed.
    """
    spec = session.inputs.spec
    measurement = measure(
        _generator(session, server, label),
        server.endpoint,
        session.requests,
        slo=spec.slo,
        load=spec.load,
        search=spec.search,
        seed=seed,
        start_rate=expected,
        known=known,
        at_rate=rate,
        enough=enough,
        check=server.check,
        arrivals=session.inputs.arrivals,
    )
    return _believed(session, server, measurement)


def _generator(session: Session, server: Server, label: str) -> LoadGenerator:
    return _Shown(session.generator(server.generator_cpus), session.parts.observer, label)


def _believed(session: Session, server: Server, measurement: Measurement) -> Measurement:
    if measurement.doubt is not None:
        raise InconclusiveTrialError(measurement.doubt)
    return measurement.model_copy(update={"statistics": dict(session.inputs.engine.statistics(server.endpoint))})
