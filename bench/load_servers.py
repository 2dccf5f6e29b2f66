"""The simulated servers that load measurements are judged on, each with its SLO."""

from __future__ import annotations

from dataclasses import dataclass

from bench.load_truth import Truth, true_capacity
from tuner.load.arrivals import Arrivals, Gamma
from tuner.load.simulated import SimulatedServer, Spells

__all__ = ["CASES", "FURTHER", "Case"]


@dataclass(frozen=True, slots=True)
class Case:
    """A server and the bound (seconds) of its percentile (0..100); ``known``: standard error of its true capacity."""

    server: SimulatedServer
    percentile: float = 99.0
    bound: float = 0.05
    cv: float = 1.0
    """Coefficient of variation of the gaps between requests: 1 for Poisson, more for bursts."""
    known: float = 0.001

    @property
    def arrivals(self) -> Arrivals:
        """How requests arrive."""
        return "poisson" if self.cv == 1 else Gamma(self.cv)

    def truth(self) -> Truth:
        """The true capacity, its standard error ``known`` at most."""
        return true_capacity(self.server, self.percentile, self.bound, self.known, self.arrivals)


CASES = {
    "M/D/1": Case(SimulatedServer(service=0.001, overhead=0.0005)),
    "M/D/2": Case(SimulatedServer(service=0.002, instances=2, overhead=0.0005)),
    "M/D/8": Case(SimulatedServer(service=0.008, instances=8, overhead=0.0005)),
    "M/M/1": Case(SimulatedServer(service=0.001, overhead=0.0005, law="exponential")),
    "M/M/4": Case(SimulatedServer(service=0.004, instances=4, overhead=0.0005, law="exponential")),
    "batches of 8": Case(SimulatedServer(service=0.004, service_each=0.0005, batch=8, overhead=0.0005)),
    "batches of 16": Case(SimulatedServer(service=0.008, service_each=0.0006, batch=16, overhead=0.001)),
    "log-normal": Case(SimulatedServer(service=0.001, overhead=0.0005, law="log-normal", variation=1.5)),
}
"""Those that the goals are about."""

FURTHER = {
    "M/D/1 at 300/s": Case(SimulatedServer(service=1 / 300, overhead=0.001)),
    "M/D/1, p90 within 10 ms": Case(SimulatedServer(service=0.001, overhead=0.0005), 90.0, 0.010),
    "uneven batches of 8": Case(
        SimulatedServer(service=0.004, service_each=0.0005, batch=8, overhead=0.0005, law="log-normal", variation=0.5),
        known=0.003,
    ),
    "2 x batches of 8": Case(SimulatedServer(service=0.008, service_each=0.001, batch=8, instances=2), known=0.002),
    "cold": Case(SimulatedServer(service=0.001, overhead=0.0005, cold=(1.0, 5.0))),
    "slow spells": Case(SimulatedServer(service=0.001, overhead=0.0005, spells=Spells(1.3, 0.1, 0.4)), known=0.003),
    "M/D/1, bursts": Case(SimulatedServer(service=0.001, overhead=0.0005), cv=2.0, known=0.002),
}
"""Further ones: slower, tighter, uneven, cold at first, slow now and then, requests in bursts."""
