"""How far a campaign is: the fold of its events. Pure, so a resumed process knows just what a killed one knew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from statistics import median_low
from types import MappingProxyType
from typing import TypeVar

from tuner.campaign.event import (
    Admitted,
    BandsRecommended,
    BlockFinished,
    CampaignEnded,
    CampaignStarted,
    Event,
    ExperienceRecalled,
    FrontRecommended,
    Judged,
    MachineChecked,
    ProposalIntended,
    PullRequestChanged,
    Recommended,
    SearchEnded,
    StepFinished,
    TrialFinished,
)
from tuner.measurement.drift import AGAIN, Level
from tuner.recommendation.bands import Band
from tuner.recommendation.front import FrontPoint
from tuner.recommendation.model import Propose, Recommendation
from tuner.trial.outcome import Completed, Failed, Inconclusive, Trial

__all__ = ["Progress"]

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Progress:
    """What has been finished. Trials by number; blocks, recommendations, verdicts by the candidate's trial number."""

    started: CampaignStarted | None = None
    admitted: Admitted | None = None
    """The last answer to whether the spec may run."""
    steps: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """Seconds by finished step."""
    experience: ExperienceRecalled | None = None
    """What the search learned from beforehand; ``None`` where it has not looked."""
    trials: Mapping[int, Trial] = field(default_factory=lambda: MappingProxyType({}))
    checks: tuple[MachineChecked, ...] = ()
    level: Level | None = None
    """The machine's speed as the references tell it; ``None`` before the first."""
    search_ended: SearchEnded | None = None
    blocks: Mapping[int, tuple[BlockFinished, ...]] = field(default_factory=lambda: MappingProxyType({}))
    recommended: Mapping[int, Recommendation] = field(default_factory=lambda: MappingProxyType({}))
    bands: tuple[Band, ...] = ()
    """The best configuration for each band of arrival rates, where the spec has bands."""
    front: tuple[FrontPoint, ...] = ()
    """The Pareto set, where the goal is one."""
    judged: Mapping[int, Judged] = field(default_factory=lambda: MappingProxyType({}))
    intended: ProposalIntended | None = None
    pull_request: tuple[PullRequestChanged, ...] = ()
    ended: CampaignEnded | None = None

    def after(self, event: Event) -> Progress:
        """The progress once this event has happened; events that only announce something change nothing."""
        match event:
            case CampaignStarted():
                return replace(self, started=event)
            case Admitted():
                return replace(self, admitted=event)
            case StepFinished():
                seconds = self.steps.get(event.step, 0.0) + event.seconds
                return replace(self, steps=_with(self.steps, event.step, seconds))
            case ExperienceRecalled():
                return replace(self, experience=event)
            case TrialFinished():
                return replace(self, trials=_with(self.trials, event.trial.number, event.trial))
            case MachineChecked():
                trials = MappingProxyType(
                    {**self.trials, **{n: _spoiled(self.trials[n], event) for n in event.repeated}}
                )
                return replace(self, checks=(*self.checks, event), level=_level(self.level, event), trials=trials)
            case SearchEnded():
                return replace(self, search_ended=event)
            case BlockFinished():
                blocks = (*self.blocks.get(event.candidate, ()), event)
                return replace(self, blocks=_with(self.blocks, event.candidate, blocks))
            case Recommended():
                return replace(self, recommended=_with(self.recommended, event.candidate, event.recommendation))
            case BandsRecommended():
                return replace(self, bands=event.bands)
            case FrontRecommended():
                return replace(self, front=event.points)
            case Judged():
                return replace(self, judged=_with(self.judged, event.candidate, event))
            case ProposalIntended():
                return replace(self, intended=event)
            case PullRequestChanged():
                return replace(self, pull_request=(*self.pull_request, event))
            case CampaignEnded():
                return replace(self, ended=event)
            case _:
                return self

    @property
    def unchecked(self) -> tuple[int, ...]:
        """Trials that ended since the machine's speed was last looked at."""
        checked = {number for check in self.checks for number in check.trials}
        return tuple(number for number in self.trials if number not in checked)

    @property
    def repeated(self) -> frozenset[int]:
        """Trials that count for nothing, because the machine changed its speed while they ran."""
        return frozenset(number for check in self.checks for number in check.repeated)

    @property
    def changes(self) -> Mapping[int, MachineChecked]:
        """The check that found a change of speed, by trial of the search that ran meanwhile."""
        return MappingProxyType({number: each for each in self.checks if each.change for number in each.trials})

    @property
    def measured_steps(self) -> Mapping[str, float]:
        """Seconds of the finished steps that measure; what follows them does not change this.

        A killed process leaves no time of its step behind, but what its servers took is in the ledger.
        """
        blocks = sum(event.seconds for events in self.blocks.values() for event in events)
        least = {"search": sum(trial.ended - trial.started for trial in self.trials.values()), "confirm": blocks}
        return {name: max(seconds, least[name]) for name, seconds in self.steps.items() if name in least}

    @property
    def carried(self) -> bool:
        """Whether a branch with a pull request carries the report and the chain."""
        return any(change.state in ("pushed", "opened", "updated", "unchanged") for change in self.pull_request)

    @property
    def decided(self) -> Recommendation | None:
        """The accepted candidate's recommendation, else the last one that was made."""
        if self.accepted is not None:
            return self.recommended[self.accepted]
        return list(self.recommended.values())[-1] if self.recommended else None

    @property
    def accepted(self) -> int | None:
        """Trial number of the candidate that was shown to be better and allowed by every policy."""
        for candidate, judged in self.judged.items():
            if judged.verdict.allow and isinstance(self.recommended.get(candidate), Propose):
                return candidate
        return None


def _spoiled(trial: Trial, check: MachineChecked) -> Trial:
    """The trial as it counts from now on: it ran, and nothing is concluded from it."""
    measured = trial.outcome.measurement if isinstance(trial.outcome, Completed | Failed) else None
    return trial.model_copy(update={"outcome": Inconclusive(reason=check.reason, measurement=measured)})


def _level(level: Level | None, check: MachineChecked) -> Level | None:
    """Of references that were taken in one check the middle one counts; of a machine that came back, none."""
    if not check.references or check.level == "regained":
        return level
    if level is None or check.level == "begun":
        speed = median_low(each.value for each in check.references[-AGAIN:])
        return Level(speeds=(speed,)) if level is None else level.left_for(speed)
    return level.after(median_low(each.value for each in check.references))


def _with(mapping: Mapping[K, V], key: K, value: V) -> Mapping[K, V]:
    return MappingProxyType({**mapping, key: value})
