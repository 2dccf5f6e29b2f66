"""The search of one campaign: ask for a configuration, tell what became of it; everything lives in the study.

The stored Optuna study is the whole state. A process may be killed at any time: what was told stays told, and a trial
that was handed out and never told is handed out again under its own number.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import RandomSampler
from optuna.trial import TrialState, create_trial

from tuner.engine.workload import Resources
from tuner.errors import PermanentError
from tuner.search.answer import Answer, answer_of
from tuner.search.beforehand import Beforehand
from tuner.search.effort import Effort
from tuner.search.encoding import Axis, axes_of, suggest
from tuner.search.objective import Goal, Metrics
from tuner.search.proposal import Chooser
from tuner.search.record import Entry, Origin, Record, entry_of
from tuner.search.sampler import check_sampler
from tuner.search.stopping import gain_reason
from tuner.search.storage import StudyStorage, guarded, quiet
from tuner.space.assignment import Assignment
from tuner.space.space import Space
from tuner.spec.model import Search as Settings
from tuner.trial.outcome import Trial
from tuner.value import canonical_json, digest_of

__all__ = ["ATTEMPTS", "Exhausted", "Proposal", "Search"]

ATTEMPTS = 3
"""How often a configuration is run while it is the machine that fails, the first time included."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A trial to run now. ``number`` is the trial's number in the study, counted from 0."""

    number: int
    assignment: Assignment
    origin: Origin
    reason: str = ""
    """What its sampler expects of it, where it tells."""


@dataclass(frozen=True, slots=True)
class Exhausted:
    """There is nothing left to try."""

    reason: str


@dataclass(slots=True)
class Search:
    """An open search. One process writes to a study at a time (the campaign's lease); any number may read."""

    goal: Goal
    _space: Space
    _storage: StudyStorage
    _study: optuna.Study
    _chooser: Chooser
    _axes: tuple[Axis, ...]
    _history: tuple[Entry, ...] | None = None
    _writes: bool = False
    _given: set[int] = field(default_factory=set)
    """Numbers of the running trials that this process has handed out."""

    @classmethod
    def open(
        cls,
        space: Space,
        settings: Settings,
        goal: Goal,
        storage_url: str,
        study_name: str,
        *,
        budget: int,
        beforehand: Beforehand | None = None,
    ) -> Self:
        """Open the study, or make it. ``budget`` is the number of trials that the spec allows.

        Raises UserError (a sampler or a URL that cannot be used), TemporaryError (the database does not answer) and
        PermanentError (the study belongs to another space or goal).
        """
        quiet()
        chooser = Chooser(space, settings, goal, budget, beforehand)
        check_sampler(settings, objectives=len(goal.directions), finite=chooser.listed)
        storage = StudyStorage(storage_url)
        try:
            with guarded(storage.url):
                study = optuna.create_study(
                    storage=storage.optuna,
                    study_name=study_name,
                    directions=list(goal.directions),
                    sampler=RandomSampler(seed=settings.seed),
                    load_if_exists=True,
                )
                _claim(study, space, goal)
        except BaseException:
            storage.close()
            raise
        return cls(goal, space, storage, study, chooser, axes_of(space))

    def close(self) -> None:
        """Give the database back; the study stays."""
        self._storage.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """From here on this process is the one that writes, so it knows what it has read until it writes again."""
        self._writes, self._history = True, None
        with self._guard():
            yield

    @contextmanager
    def _guard(self) -> Iterator[None]:
        with guarded(self._storage.url):
            yield

    def history(self) -> tuple[Entry, ...]:
        """Every trial of the study, in order."""
        if self._history is None:
            with self._guard():
                read = tuple(entry_of(trial) for trial in self._study.get_trials(deepcopy=False))
            if not self._writes:
                return read  # somebody else may be writing
            self._history = read
        return self._history

    def baseline(self) -> Metrics | None:
        """The baseline's metrics; ``None`` until it is completed."""
        return _reference(self.history())

    def enqueue(self, assignment: Assignment, origin: Origin = "suggested") -> bool:
        """Have this configuration tried before the sampler's; False where it is known already.

        A baseline may lie outside of the space, as it runs in production all the same; anything else that the space
        does not contain raises ValueError.
        """
        if any(entry.assignment == assignment for entry in self.history()):
            return False
        if origin != "baseline" and not self._space.contains(assignment):
            raise ValueError(f"not in the space: {assignment} ({'; '.join(self._space.violations(assignment))})")
        self._queue(assignment, origin)
        return True

    def ask(self, effort: Effort | None = None) -> Proposal | Exhausted:
        """The next trial to run: one left behind by a killed process, one waiting, one to repeat, or a new one.

        ``effort``: what the search pays with (``effort_of``), where each trial does not count as one.
        """
        history = self.history()
        for entry in history:
            if entry.status == "running" and entry.number not in self._given:
                if entry.record.handed_out < ATTEMPTS or entry.record.origin == "baseline":
                    return self._hand_out(self._left(entry.number))
                self._write(entry, _abandoned(entry.record), history)
                return self.ask(effort)
        if any(entry.status == "waiting" for entry in history):
            return self._hand_out(self._start())
        again = _to_repeat(history)
        if again is not None:
            return self._begin(again, "retry", len(history))
        choice = self._chooser.choose(history, _reference(history), effort)
        if choice is None:
            return Exhausted(f"every configuration was tried{_given_up(history)}")
        worthless = None
        if choice.gain is not None:
            worthless = gain_reason(choice.gain, self.goal, history, patience=choice.patience)
        if worthless is not None:
            return Exhausted(worthless)
        return self._begin(choice.assignment, choice.origin, len(history), choice.reason, choice.gain)

    def tell(self, trial: Trial, resources: Resources) -> None:
        """Record a finished trial. Telling the same trial again changes nothing.

        A trial that the study has never heard of is added: a lost database is filled again from the ledger.
        Raises ValueError where the study knows the number as another configuration.
        """
        history = self.history()
        if trial.number >= len(history) or history[trial.number].status == "waiting":
            history = self._started(trial, history)
        entry = history[trial.number]
        if entry.assignment != trial.assignment:
            raise ValueError(f"trial {trial.number} is {entry.assignment}, not {trial.assignment}")
        if entry.pending:
            self._write(entry, answer_of(trial, resources, self.goal), history)

    def _started(self, trial: Trial, history: tuple[Entry, ...]) -> tuple[Entry, ...]:
        """The history in which a trial is running of which the study did not know that it ever was."""
        for _ in range(len(history), trial.number):
            self._leave_out()
        if trial.number >= len(history):
            self._queue(trial.assignment, "search" if history else "baseline")
        while (history := self.history())[trial.number].status == "waiting":
            self._start()
        return history

    def _leave_out(self) -> None:
        """Use up a number of which the ledger knows no result, so that the next trials keep theirs."""
        record = Record(
            assignment=Assignment({}),
            origin="search",
            handed_out=ATTEMPTS,
            outcome="errored",
            reason="lost with the study's database",
        )
        with self._writing():
            self._study.add_trial(create_trial(state=TrialState.FAIL, user_attrs=record.attributes()))

    def _queue(self, assignment: Assignment, origin: Origin) -> None:
        record = Record(assignment=assignment, origin=origin)
        with self._writing():
            self._study.enqueue_trial(self._expressed(assignment), user_attrs=record.attributes())

    def _begin(
        self, assignment: Assignment, origin: Origin, number: int, reason: str = "", gain: float | None = None
    ) -> Proposal:
        """Hand out a new trial in one transaction: queueing it first would take three times as long."""
        shown = self._expressed(assignment)
        trial = create_trial(
            state=TrialState.RUNNING,
            params=shown,
            distributions={axis.parameter.name: axis.shown for axis in self._axes if axis.parameter.name in shown},
            user_attrs=Record(assignment=assignment, origin=origin, handed_out=1, gain=gain).attributes(),
        )
        with self._writing():
            self._study.add_trial(trial)
        self._given.add(number)
        return Proposal(number, assignment, origin, reason)

    def _expressed(self, assignment: Assignment) -> dict[str, Any]:
        """The part of an assignment that the space can express: all of it but for a baseline from elsewhere."""
        names = [axis.parameter.name for axis in self._axes if axis.fits(assignment)]
        return {name: assignment[name] for name in names if name in assignment}

    def _start(self) -> optuna.Trial:
        """Make the first waiting trial a running one."""
        with self._writing():
            return self._shown(self._study.ask())

    def _left(self, number: int) -> optuna.Trial:
        """The running trial of that number."""
        with self._writing():
            return self._shown(optuna.Trial(self._study, self._id(number)))

    def _shown(self, trial: optuna.Trial) -> optuna.Trial:
        """Write the parameters that the space can express, where they are not yet written."""
        assignment = Record.model_validate(trial.user_attrs).assignment
        for axis in self._axes:
            if axis.parameter.name in assignment and axis.fits(assignment):
                suggest(trial, axis.parameter.name, axis.shown)
        return trial

    def _hand_out(self, trial: optuna.Trial) -> Proposal:
        record = Record.model_validate(trial.user_attrs)
        with self._writing():
            trial.set_user_attr("handed_out", record.handed_out + 1)
        self._given.add(trial.number)
        return Proposal(trial.number, record.assignment, record.origin)

    def _write(self, entry: Entry, answer: Answer, history: tuple[Entry, ...]) -> None:
        """Attributes first, the state last: a process killed in between leaves a running trial, never half a result."""
        values = None
        if answer.metrics is not None:
            own = answer.metrics if entry.assignment in _baselines(history) else None
            values = self.goal.values(answer.metrics, _reference(history) or own)
        with self._writing():
            identity = self._id(entry.number)
            for key, value in answer.facts.items():
                if value is not None:
                    self._storage.optuna.set_trial_user_attr(identity, key, value)
            state = TrialState.FAIL if values is None else TrialState.COMPLETE
            self._storage.optuna.set_trial_state_values(identity, state, values)
        self._given.discard(entry.number)

    def _id(self, number: int) -> int:
        storage = self._storage.optuna
        return storage.get_trial_id_from_study_id_trial_number(
            storage.get_study_id_from_name(self._study.study_name), number
        )


def _abandoned(record: Record) -> Answer:
    times = f"{record.handed_out} times"
    return Answer({"outcome": "errored", "reason": f"tuner was killed {times} while this configuration ran"})


def _reference(history: tuple[Entry, ...]) -> Metrics | None:
    """The metrics of the baseline, once it is completed."""
    baselines = _baselines(history)
    return next((e.metrics for e in history if e.assignment in baselines and e.metrics is not None), None)


def _baselines(history: tuple[Entry, ...]) -> set[Assignment]:
    return {entry.assignment for entry in history if entry.record.origin == "baseline"}


def _given_up(history: tuple[Entry, ...]) -> str:
    """Whether some of them never came to an end: what is said of the rest does not hold for those."""
    count = sum(entry.status == "errored" and entry.record.handed_out >= ATTEMPTS for entry in history)
    return f", and {count} of them given up, since tuner was killed {ATTEMPTS} times while each ran" if count else ""


def _to_repeat(history: tuple[Entry, ...]) -> Assignment | None:
    """A configuration that the machine spoiled, while it has attempts left and nothing is known of it."""
    answered = {entry.assignment for entry in history if entry.finished or entry.pending}
    spoiled = [entry for entry in history if entry.status in ("errored", "inconclusive")]
    for entry in spoiled:
        attempts = [other for other in spoiled if other.assignment == entry.assignment]
        killed = max(other.record.handed_out for other in attempts) >= ATTEMPTS
        if entry.assignment not in answered and len(attempts) < ATTEMPTS and not killed:
            return entry.assignment
    return None


def _claim(study: optuna.Study, space: Space, goal: Goal) -> None:
    """Write into a new study what it belongs to; PermanentError where it belongs to something else."""
    parameters = [parameter.model_dump(mode="json") for parameter in space.parameters]
    belongs = {
        "goal": " + ".join(f"{way} {name}" for way, name in zip(goal.directions, goal.names, strict=True)),
        "space": digest_of(canonical_json(parameters)),
    }
    for key, value in belongs.items():
        if study.user_attrs.get(key, value) != value:
            raise PermanentError(f"the study {study.study_name} belongs to another {key}: use another study name")
        study.set_user_attr(key, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study.set_metric_names(list(goal.names))
