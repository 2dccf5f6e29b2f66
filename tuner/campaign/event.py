"""What happens in a campaign, as the ledger records it: one frozen value an event, in the order of the pipeline.

An outside effect has two events: one before it (``…-started``, ``…-intended``) and one after it, so that a killed
process knows at its next start what it had begun and what it had finished.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from tuner.experience.model import ModelFeatures
from tuner.measurement.model import Interval
from tuner.policy.model import PolicyInput, Verdict
from tuner.policy.point import AdmissionInput
from tuner.recommendation.bands import Band
from tuner.recommendation.confirm import Block
from tuner.recommendation.front import FrontPoint
from tuner.recommendation.model import Recommendation
from tuner.space.assignment import Assignment
from tuner.trial.hardware import Hardware
from tuner.trial.outcome import Trial
from tuner.value import Value

__all__ = [
    "Admitted",
    "BandsRecommended",
    "BlockFinished",
    "BlockStarted",
    "CampaignEnded",
    "CampaignStarted",
    "Event",
    "ExperienceRecalled",
    "ForgeState",
    "FrontRecommended",
    "Judged",
    "MachineChecked",
    "ProposalIntended",
    "PullRequestChanged",
    "Recommended",
    "Remeasured",
    "SearchEnded",
    "StepFinished",
    "StepStarted",
    "TrialFinished",
    "TrialStarted",
    "event_of",
]

StepName = Literal["search", "confirm", "report", "propose", "remeasure"]
ForgeState = Literal[
    "pushed",
    "opened",
    "updated",
    "unchanged",
    "merged",
    "declined",
    "declined-before",
    "merged-already",
    "human-took-over",
]
Result = Literal["proposed", "kept-baseline", "denied", "not-proposed", "failed", "held", "regressed"]


class CampaignStarted(Value):
    """Everything the campaign rests on, by digest. ``inputs`` maps a path in the repository to its blob's digest."""

    kind: Literal["campaign-started"] = "campaign-started"
    service: str
    spec_path: str
    spec_commit: str
    base_branch: str
    base_commit: str
    inputs: dict[str, str]
    engine: str
    backend: str
    policy_revision: str
    space_size: int | None
    baseline: Assignment
    baseline_workload: str
    seed: int
    tuner: str
    machine: Hardware
    system: str
    """Operating system and kernel."""
    trace: str = ""
    occasion: str = ""
    """The time that the spec's schedule named, where what is deployed is only measured again."""
    index: str = ""
    """The last hash of the repository's chain of campaigns when this one began."""


class Admitted(Value):
    """What the policies said on whether the spec may run at all, with the whole document that they saw."""

    kind: Literal["admitted"] = "admitted"
    document: AdmissionInput
    verdict: Verdict


class StepStarted(Value):
    """A step begins, for the first time or again after a crash."""

    kind: Literal["step-started"] = "step-started"
    step: StepName


class StepFinished(Value):
    """A step is complete and is not run again. ``seconds`` counts this run of it only."""

    kind: Literal["step-finished"] = "step-finished"
    step: StepName
    seconds: float


class ExperienceRecalled(Value):
    """What the search learned from before its first trial; the last one counts where a campaign has several."""

    kind: Literal["experience-recalled"] = "experience-recalled"
    digest: str = ""
    """Of the file of experience that lies in the campaign's folder; empty where nothing was read."""
    trials: int = 0
    services: int = 0
    features: ModelFeatures | None = None
    """Of this campaign's own model."""
    features_missing: str = ""
    """Why there are no features."""
    reason: str = ""
    """Why what this machine remembers could not be read; empty where it was."""


class TrialStarted(Value):
    """A trial's server is about to start."""

    kind: Literal["trial-started"] = "trial-started"
    number: int
    assignment: Assignment
    workload: str
    reason: str = ""
    """What the sampler expects of it, where it tells."""


class TrialFinished(Value):
    """A trial ended, whichever way; it is never run again."""

    kind: Literal["trial-finished"] = "trial-finished"
    trial: Trial


class MachineChecked(Value):
    """The reference load ran between trials, and what it says of those that ran since the one before.

    A trial in ``repeated`` stays in the chain and counts as inconclusive from here on; its configuration is tried
    again, once. ``level`` says what the references are to the machine's level: they begin it, they belong to it, or
    the machine left it and has come back.
    """

    kind: Literal["machine-checked"] = "machine-checked"
    references: tuple[Interval, ...]
    """Rounds a second, in the order in which they were taken."""
    level: Literal["begun", "kept", "regained"]
    trials: tuple[int, ...] = ()
    """Trials of the search that ended since the check before."""
    block: tuple[int, int] | None = None
    """The confirmation's block that ended since: the candidate's trial and the block's index."""
    change: Interval | None = None
    """By how much the machine's speed had changed (-0.1: 10 % slower); ``None`` where it had not."""
    repeated: tuple[int, ...] = ()
    reason: str = ""
    seconds: float = 0.0
    """How long this took, waiting for the machine to recover included."""


class SearchEnded(Value):
    """Why no further configuration was tried, and how much each parameter mattered."""

    kind: Literal["search-ended"] = "search-ended"
    reason: str
    importance: dict[str, float] = Field(default_factory=dict)
    importance_method: str = ""


class BlockStarted(Value):
    """One block of the interleaved confirmation is about to run."""

    kind: Literal["block-started"] = "block-started"
    candidate: int
    block: Block


class BlockFinished(Value):
    """One block of the confirmation ended: the server that ran for it, as a trial of its own."""

    kind: Literal["block-finished"] = "block-finished"
    candidate: int
    block: Block
    trial: Trial

    @property
    def seconds(self) -> float:
        """How long the block took."""
        return self.trial.ended - self.trial.started


class Remeasured(Value):
    """What is deployed was measured again, and this is what it says beside the service's own record.

    Capacities in requests per second, with their intervals; ``None`` where no rate met the SLO.
    """

    kind: Literal["remeasured"] = "remeasured"
    trial: int
    capacity: Interval | None
    record: str = ""
    """The campaign whose measurement of the same workload is the record; empty where this one begins it."""
    recorded: Interval | None = None
    change: Interval | None = None
    """Relative change since the record (-0.1: 10 % less)."""
    regressed: bool


class Recommended(Value):
    """What the confirmation of the candidate with this trial number says."""

    kind: Literal["recommended"] = "recommended"
    candidate: int
    recommendation: Recommendation


class BandsRecommended(Value):
    """What the search says of each band of arrival rates, and which of it the confirmation showed; once at its end."""

    kind: Literal["bands-recommended"] = "bands-recommended"
    bands: tuple[Band, ...]


class FrontRecommended(Value):
    """The Pareto set with its knee, once at the end of the confirmation."""

    kind: Literal["front-recommended"] = "front-recommended"
    points: tuple[FrontPoint, ...]


class Judged(Value):
    """The policies' verdict on one candidate, with the whole document that they saw."""

    kind: Literal["judged"] = "judged"
    candidate: int
    document: PolicyInput
    verdict: Verdict


class ProposalIntended(Value):
    """The last record inside the pull request: what is about to be proposed. ``files`` maps a path to its digest."""

    kind: Literal["proposal-intended"] = "proposal-intended"
    branch: str
    base: str
    change: str
    title: str
    files: dict[str, str]


class PullRequestChanged(Value):
    """What became of the proposal on the forge."""

    kind: Literal["pull-request"] = "pull-request"
    state: ForgeState
    number: int | None = None
    url: str = ""
    commit: str = ""
    reason: str = ""


class CampaignEnded(Value):
    """The end, with its reason in words."""

    kind: Literal["campaign-ended"] = "campaign-ended"
    result: Result
    reason: str = Field(min_length=1)


Event = Annotated[
    CampaignStarted
    | Admitted
    | StepStarted
    | StepFinished
    | ExperienceRecalled
    | TrialStarted
    | TrialFinished
    | MachineChecked
    | SearchEnded
    | BlockStarted
    | BlockFinished
    | Remeasured
    | Recommended
    | BandsRecommended
    | FrontRecommended
    | Judged
    | ProposalIntended
    | PullRequestChanged
    | CampaignEnded,
    Field(discriminator="kind"),
]

_EVENTS: TypeAdapter[Event] = TypeAdapter(Event)


def event_of(kind: str, body: object) -> Event:
    """The event of a ledger record. ValidationError (pydantic) where it is none of ours."""
    return _EVENTS.validate_python({"kind": kind, **(body if isinstance(body, dict) else {})})
