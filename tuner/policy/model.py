"""May it: the document that policies see, what they answer, and the door to a policy engine."""

from __future__ import annotations

from typing import Literal, Protocol

from pydantic import Field

from tuner.engine.workload import Workload
from tuner.measurement.model import Interval
from tuner.value import Value

__all__ = ["Denial", "PolicyEngine", "PolicyInput", "PolicySide", "Verdict"]


class PolicySide(Value):
    """Baseline or candidate, as policies see it."""

    workload: Workload
    workload_digest: str
    capacity: Interval
    """Requests per second within the SLO."""
    latency: dict[str, float]
    """Seconds by percentile, at the same load for both sides."""
    cost_per_million: float | None
    hourly_cost: float
    monthly_cost: float | None


class PolicyInput(Value):
    """Everything a decision may rest on. The document is stored in the ledger, so that it can be judged again."""

    service: str
    labels: dict[str, str]
    slo: dict[str, float]
    """Bound in seconds by percentile (``p99``)."""
    currency: str
    baseline: PolicySide
    candidate: PolicySide
    ratio: Interval
    confidence: float
    trials: int
    """Trials that were completed."""
    blocks: int
    """Interleaved blocks of the confirmation, both sides together."""
    changes: tuple[str, ...]
    """Names of the parameters that the change sets to another value."""


class Denial(Value):
    """One reason against (``deny``) or for care (``warn``)."""

    id: str = Field(min_length=1)
    severity: Literal["deny", "warn"]
    msg: str = Field(min_length=1)
    path: str = ""
    """Where in the input the reason lies, dotted."""


class Verdict(Value):
    """The decision. Allowed only by an explicit allow with no denial; everything else is a deny with its reason."""

    allow: bool
    denials: tuple[Denial, ...] = ()
    warnings: tuple[Denial, ...] = ()
    engine: str
    """Name and version of the engine that decided."""
    revision: str
    """Digest of the policies and their data."""
    packages: tuple[str, ...] = ()
    """Names of the policy packages that were asked."""


class PolicyEngine(Protocol):
    """Evaluates policies. Fails closed: a fault is a denying Verdict with id ``policy.engine``, never an exception."""

    name: str

    def decide(self, document: PolicyInput) -> Verdict:
        """Judge one document by every package."""
        ...
