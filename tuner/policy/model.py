"""May it: what policies are told, what they answer, and the door to a policy engine."""

from __future__ import annotations

from typing import Literal, Protocol

from pydantic import Field

from tuner.engine.workload import Workload
from tuner.measurement.model import Interval
from tuner.policy.point import AdmissionInput, RolloutInput
from tuner.policy.quota import QuotaEntry
from tuner.policy.rollback import Rollback
from tuner.policy.waiver import Waiver
from tuner.value import Value

__all__ = ["Denial", "PolicyDocument", "PolicyEngine", "PolicyInput", "PolicySide", "Templates", "Verdict"]


class PolicySide(Value):
    """Baseline or candidate, as policies see it."""

    workload: Workload
    workload_digest: str
    capacity: Interval
    """Requests per second within the SLO, of one replica."""
    latency: dict[str, float]
    """Seconds by percentile, at the same load for both sides."""
    latency_interval: dict[str, Interval] = Field(default_factory=dict)
    """The same with its interval, where the confirmation has one; policies judge its upper end."""
    error_rate: float | None = None
    """Share of the requests that failed at that load; ``None`` where it was not counted."""
    error_rate_interval: Interval | None = None
    """The same with its interval (Clopper-Pearson)."""
    cost_per_million: float | None
    hourly_cost: float
    """Of one replica."""
    monthly_cost: float | None
    product: str | None = None
    """The board that the pods are bound to (node label ``nvidia.com/gpu.product``)."""


class Templates(Value):
    """Digests of pod templates: of what is proposed, and of all that was measured for it, each once.

    An empty text stands for a measurement of which nothing is known.
    """

    proposed: str
    measured: tuple[str, ...]


class PolicyInput(Value):
    """Everything a decision may rest on. It is stored in the ledger, so that it can be judged again."""

    service: str
    labels: dict[str, str]
    slo: dict[str, float]
    """Bound in seconds by percentile (``p99``)."""
    slo_error_rate: float | None = None
    """Largest share of failed requests; ``None`` where the spec states none."""
    currency: str
    baseline: PolicySide
    candidate: PolicySide
    deployed: Workload | None = None
    """What the manifest says now, where the baseline is something else."""
    compared_load: float | None = None
    """Requests per second at which the latencies of both sides were taken."""
    expected_load: float | None = None
    """Requests per second in production, where the spec states them."""
    ratio: Interval
    confidence: float
    trials: int
    """Trials that were completed."""
    blocks: int
    """Interleaved blocks of the confirmation, both sides together."""
    changes: tuple[str, ...]
    """Names of the parameters that the change sets to another value."""
    quota: tuple[QuotaEntry, ...] = ()
    """The repository's quota of GPUs and MIG slices; empty where it has none."""
    files: tuple[str, ...] = ()
    """Paths that the change touches."""
    rollback: Rollback | None = None
    """How the change is undone."""
    template: Templates | None = None
    """What ran and what is proposed, where trials ran as pods."""
    waivers: tuple[Waiver, ...] = ()
    """Exceptions that stand on the protected branch, of every service."""
    date: str = ""
    """The day of the decision in UTC, ``YYYY-MM-DD``; without one no waiver counts."""


PolicyDocument = PolicyInput | AdmissionInput | RolloutInput
"""What may be judged: each kind of document belongs to one decision point."""


class Denial(Value):
    """One reason against (``deny``) or for care (``warn``)."""

    id: str = Field(min_length=1)
    severity: Literal["deny", "warn"]
    msg: str = Field(min_length=1)
    """All of it in one sentence."""
    path: str = ""
    """Where in the input the reason lies, dotted."""
    reason: str = ""
    """What stands against it."""
    remedy: str = ""
    """What would make it pass."""


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
    decision_id: str = ""
    """The decision in the log of an OPA server; empty where another engine decided."""


class PolicyEngine(Protocol):
    """Evaluates policies. Fails closed: a fault is a denying Verdict with id ``policy.engine``, never an exception."""

    name: str

    def decide(self, document: PolicyDocument) -> Verdict:
        """Judge one document by every package of its decision point."""
        ...
