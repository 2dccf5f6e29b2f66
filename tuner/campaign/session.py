"""One running campaign: what its steps work with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.campaign.ahead import Ahead, AheadBackend, Task, imports
from tuner.campaign.event import CampaignStarted
from tuner.campaign.inputs import Inputs
from tuner.campaign.journal import Journal
from tuner.campaign.parts import Parts
from tuner.campaign.progress import Progress
from tuner.campaign.target import Target
from tuner.engine.protocol import HttpRequest
from tuner.load.protocol import LoadGenerator
from tuner.recommendation.confirm import shared_rate
from tuner.search.record import Entry
from tuner.space.assignment import Assignment
from tuner.trial.outcome import Completed, Trial
from tuner.trial.protocol import Backend

if TYPE_CHECKING:
    from tuner.report.document import Report

__all__ = ["Session", "capacity_of"]


@dataclass(slots=True)
class Session:
    """A campaign in this process: its target, its parts, its journal, and what it has opened."""

    target: Target
    parts: Parts
    journal: Journal
    inputs: Inputs
    backend: Backend
    folder: Path
    model: Path
    requests: tuple[HttpRequest, ...]
    history: tuple[Entry, ...] | None = None
    """The search as it ended, where it ended in this process."""
    report: Report | None = None
    """The report, once this process has made it."""
    _ahead: Ahead = field(default_factory=Ahead)
    _stack: ExitStack = field(default_factory=ExitStack)
    _generators: dict[tuple[int, ...], LoadGenerator] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def open(cls, target: Target, parts: Parts, journal: Journal, inputs: Inputs) -> Iterator[Session]:
        """Put the model and the samples on this machine, and remove what a killed process left running.

        UserError where the model, a sample or the baseline's price is wrong.
        """
        folder = target.folder(parts.state)
        inputs.goal.hourly(inputs.workload(inputs.baseline).resources)
        backend = parts.backend(folder / "trials")
        backend.reap()
        session = cls(target, parts, journal, inputs, backend, folder, inputs.model(folder), inputs.requests(folder))
        session._ahead = Ahead(session._tasks())
        session.backend = AheadBackend(backend, session._ahead)
        with session._stack:
            session._stack.callback(session._ahead.finish)
            yield session

    @property
    def run(self) -> str:
        """Names this run of the campaign: one that begins anew, because its ledger was lost, has another name."""
        return f"{self.target.campaign}-{self.journal.records[0].hash.removeprefix('sha256:')[:12]}"

    @property
    def progress(self) -> Progress:
        """What is finished so far."""
        return self.journal.progress

    @property
    def started(self) -> CampaignStarted:
        """The campaign's first record."""
        started = self.progress.started
        assert started is not None  # noqa: S101 - it is written before a session is opened
        return started

    @property
    def baseline_trial(self) -> Trial:
        """The trial that measured the baseline. ValueError while there is none."""
        found = [trial for trial in self.progress.trials.values() if trial.assignment == self.inputs.baseline]
        completed = [trial for trial in found if isinstance(trial.outcome, Completed)]
        if not completed:
            raise ValueError("the baseline has not been measured")
        return completed[0]

    def comparison_rate(self, candidate: int) -> float:
        """Requests per second at which a candidate's latency is compared with the baseline's."""
        spec = self.inputs.spec
        capacities = [capacity_of(self.baseline_trial), capacity_of(self.progress.trials[candidate])]
        return shared_rate(spec.objective.rate, spec.load.expected, capacities)

    def server_seconds(self) -> Iterator[tuple[Assignment, float]]:
        """Each server that ran: its configuration and for how long."""
        for trial in self.progress.trials.values():
            yield trial.assignment, trial.ended - trial.started
        for candidate, events in self.progress.blocks.items():
            for event in events:
                of_baseline = event.block.side == "baseline"
                assignment = self.inputs.baseline if of_baseline else self.progress.trials[candidate].assignment
                yield assignment, event.seconds

    @property
    def elapsed(self) -> float:
        """Seconds of trials, confirmation blocks and looks at the machine, over every process of this campaign."""
        looking = sum(check.seconds for check in self.progress.checks)
        return looking + sum(seconds for _, seconds in self.server_seconds())

    def generator(self, cpus: tuple[int, ...]) -> LoadGenerator:
        """The load generator that keeps to these CPUs; started once, stopped with the session.

        When this returns, nothing else of this process works on the machine.
        """
        self._ahead.finish()
        return self._generator(cpus)

    def _generator(self, cpus: tuple[int, ...]) -> LoadGenerator:
        if cpus not in self._generators:
            self._generators[cpus] = self._stack.enter_context(self.parts.generator(cpus))
        return self._generators[cpus]

    def _tasks(self) -> Iterator[tuple[Task, ...]]:
        """What the rest of the campaign will need, by the start of a server that it is done at."""
        if "search" in self.progress.steps:
            yield (self._generator,)
        else:
            yield self._generator, imports("scipy.stats")
            yield (imports("tuner.search.importance"),)
        yield (imports("tuner.report.document"),)


def capacity_of(trial: Trial) -> float:
    """Capacity of a completed trial in requests per second. ValueError where it has none."""
    outcome = trial.outcome
    if not isinstance(outcome, Completed) or outcome.measurement.capacity is None:
        raise ValueError(f"trial {trial.number} has no capacity")
    return outcome.measurement.capacity.rate.value
