"""Everything that a report is made from. It is stored with the campaign, so that a report can be made again offline."""

from __future__ import annotations

import json
from typing import Self

from pydantic import Field, ValidationError, model_validator

from tuner.errors import PermanentError
from tuner.policy.model import PolicyInput, Verdict
from tuner.recommendation.bands import Band
from tuner.recommendation.efficiency import Efficiency
from tuner.recommendation.front import FrontPoint
from tuner.recommendation.model import Comparison, Cost, Propose, Recommendation
from tuner.space.parameter import Parameter
from tuner.spec.model import Scalar, TuningSpec
from tuner.spec.quantity import Money
from tuner.trial.outcome import Trial
from tuner.value import Value, canonical_json

__all__ = [
    "Audit",
    "Candidate",
    "Change",
    "Effort",
    "Importance",
    "Machine",
    "Origin",
    "Phase",
    "ReportInput",
    "Shipped",
    "Stability",
]

_LINK = r"^(?:https?://[\w./:?&=%~#+-]+|[\w.-][\w./-]*)?$"


class Origin(Value):
    """Where the campaign comes from and where its proposal goes."""

    campaign: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=200)
    """Campaign id; it stands in shell commands, therefore the narrow alphabet."""
    repository: str = ""
    spec_path: str
    """Path of the spec in the repository."""
    manifest_path: str
    """Path in the repository of the file that the pull request edits."""
    commit: str
    """Full SHA of the spec's commit."""
    base: str
    """The branch that the pull request asks to be merged into."""
    branch: str
    """The pull request's own branch."""
    trailer: str = Field("Tuner-Campaign", pattern=r"^[A-Z][A-Za-z-]*$")
    """Name of the commit trailer whose value is the campaign id: by it ``git revert`` finds the change."""
    trace: str | None = None
    """OpenTelemetry trace id of the campaign."""


class Machine(Value):
    """What the trials ran on. Memory in bytes."""

    processor: str
    cores: int
    memory: int
    system: str
    """Operating system and kernel."""
    gpus: tuple[str, ...] = ()
    """One entry for each GPU or MIG instance; empty where there is none."""
    backend: str
    """Name of the trial backend, for example ``local``."""
    engine: str
    """The serving engine and its version, as it said itself or as it was installed."""
    image: str | None = None
    """The image that the trials ran; ``None`` where they ran an engine that is installed on the machine."""


class Stability(Value):
    """How steady the machine was, by the reference load that ran between trials and after each block."""

    looks: int
    noise: float
    """Standard deviation of one look, as a share of the speed."""
    changes: dict[int, str] = Field(default_factory=dict)
    """By trial during which the machine changed its speed: by how much, in words."""
    repeated: tuple[int, ...] = ()
    """Those of them whose configuration was tried again."""
    blocks: tuple[int, ...] = ()
    """Indices of the confirmation's blocks during which it changed."""


class Shipped(Value):
    """What the edited manifest holds, read back from the file that is proposed."""

    workload: str
    """Digest of the workload."""
    image: str


class Change(Value):
    """A parameter that gets another value. ``None``: not set on that side."""

    name: str
    before: Scalar | None
    after: Scalar | None
    place: str = ""
    """Where the value lands, in words, for example ``config.pbtxt`` or ``--max-num-seqs``."""


class Candidate(Value):
    """A configuration that was confirmed or judged, in the order in which it came up; the winner included.

    ``record`` numbers are sequence numbers in the ledger.
    """

    trial: int
    comparison: Comparison | None = None
    """``None`` where it was never confirmed against the baseline."""
    comparison_record: int | None = None
    verdict: Verdict | None = None
    verdict_record: int | None = None
    document: PolicyInput | None = None
    """What the policies were shown."""
    reason: str = ""
    """Why it is not proposed, where it is not; empty for what is proposed."""


class Phase(Value):
    """A step of the campaign and how long it took, in seconds."""

    name: str
    seconds: float = Field(ge=0)


class Effort(Value):
    """What the tuning itself used. Time in seconds."""

    trials: int
    elapsed: float
    core_hours: float
    money: Money | None = None
    """At the spec's prices."""


class Importance(Value):
    """How much of the difference between configurations each parameter explains, as shares of 1."""

    shares: dict[str, float]
    method: str
    """How it was computed and from how many trials, in one sentence without a full stop."""


class Audit(Value):
    """Where the ledger of the campaign is, and which record holds what.

    ``spec``, ``recommendation`` and the values of ``trials`` are sequence numbers of records.
    """

    path: str
    head_path: str
    head: str | None = None
    """Hash of the last record; ``None`` where the report is made before the chain is closed."""
    records: int | None = None
    """Number of records under that head."""
    spec: int | None = None
    recommendation: int | None = None
    trials: dict[int, int] = Field(default_factory=dict)
    """Record by trial number."""


class ReportInput(Value):
    """One finished campaign. ``costs`` and ``efficiencies`` by number of a completed trial, at the spec's prices.

    ``comparison_rate`` is the load (requests per second) at which both sides' latencies were taken. ``report`` and
    ``figures`` say where the pull request finds the HTML page and the folder of figures: a relative path or an
    ``https`` address; empty where there is none.
    """

    spec: TuningSpec
    origin: Origin
    machine: Machine
    parameters: tuple[Parameter, ...]
    size: float | None = Field(ge=1)
    """Number of configurations in the space, constraints applied; ``None`` where a parameter is continuous."""
    baseline: str
    """Digest of the baseline's workload."""
    trials: tuple[Trial, ...]
    costs: dict[int, Cost] = Field(default_factory=dict)
    efficiencies: dict[int, Efficiency] = Field(default_factory=dict)
    recommendation: Recommendation
    bands: tuple[Band, ...] = ()
    """The best configuration for each band of arrival rates, where the spec has bands."""
    front: tuple[FrontPoint, ...] = ()
    """The Pareto set, where the goal is one."""
    counts: tuple[int, ...] = ()
    """The numbers of replicas that the manifest may be given; empty where they are left as they are."""
    candidates: tuple[Candidate, ...] = ()
    comparison_rate: float | None = None
    changes: tuple[Change, ...] = ()
    diff: str = ""
    """Unified diff of the manifest."""
    shipped: Shipped | None = None
    """``None`` where no manifest is proposed."""
    phases: tuple[Phase, ...] = ()
    effort: Effort
    stability: Stability | None = None
    """``None`` where no reference load ran."""
    audit: Audit
    importance: Importance | None = None
    report: str = Field("", pattern=_LINK)
    figures: str = Field("", pattern=_LINK)

    @model_validator(mode="after")
    def _judged(self) -> Self:
        numbers = [trial.number for trial in self.trials]
        if len(set(numbers)) != len(numbers):
            raise ValueError("two trials have the same number")
        if missing := {candidate.trial for candidate in self.candidates} - set(numbers):
            raise ValueError(f"candidates name trials that are not there: {sorted(missing)}")
        if isinstance(self.recommendation, Propose) and self.judged is None:
            raise ValueError("a proposal needs the verdict of its candidate")
        return self

    @property
    def judged(self) -> Candidate | None:
        """The candidate that the recommendation proposes, with its verdict; ``None`` where nothing is proposed."""
        if not isinstance(self.recommendation, Propose):
            return None
        wanted = self.recommendation.comparison.candidate.workload
        of = {trial.number: trial.workload for trial in self.trials}
        found = [each for each in self.candidates if each.verdict is not None and of[each.trial] == wanted]
        return found[-1] if found else None

    @property
    def compared_at(self) -> float | None:
        """Requests per second at which both sides' latencies were taken, from whoever says it."""
        told = [each.document.compared_load for each in self.candidates if each.document is not None]
        return self.comparison_rate if self.comparison_rate is not None else next(iter(told), None)

    def to_json(self) -> str:
        """Canonical JSON, the form in which it is stored."""
        return canonical_json(self.model_dump(mode="json", by_alias=True))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Back from ``to_json``. PermanentError where the text is damaged or of another version."""
        try:
            return cls.model_validate(json.loads(text))
        except (ValidationError, ValueError) as error:
            first = str(error).splitlines()[0]
            raise PermanentError(f"the stored campaign cannot be read: {first}; run the campaign again") from error
