"""Looking at the machine between trials: a trial during which it changed its speed is marked, and tried again once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from tuner.campaign.event import MachineChecked
from tuner.campaign.progress import Progress
from tuner.campaign.session import Session
from tuner.errors import TemporaryError
from tuner.measurement.drift import AGAIN, Level, change, odd, percent
from tuner.measurement.model import Interval
from tuner.recommendation.confirm import BLOCKS
from tuner.telemetry.logs import logger
from tuner.trial.outcome import Completed, Failed, FailureKind, Trial
from tuner.trial.reference import SECONDS, ReferenceLoad

__all__ = ["MachineWatch", "look", "to_repeat", "watch_machine"]

_APART = 0.5
"""Seconds between references that are taken again, so that one short disturbance is not in all of them."""
_PATIENCE = 4 * AGAIN * _APART
"""Seconds that a slower machine is waited for at least, where it spoiled a trial."""
_SLOW_MACHINE = frozenset({FailureKind.INFEASIBLE, FailureKind.TIMEOUT, FailureKind.START_TIMEOUT})
"""Failures that a machine may cause which became slow."""

_log = logger("campaign")


@contextmanager
def watch_machine(session: Session) -> Iterator[MachineWatch]:
    """The watch over the cores that the baseline's server gets."""
    watch = MachineWatch(session)
    try:
        yield watch
    finally:
        watch.close()


def look(
    take: Callable[[], Interval],
    level: Level | None,
    *,
    looks: int,
    patience: float = 0.0,
    sleep: Callable[[float], None] = time.sleep,
) -> MachineChecked:
    """Take a reference, and more where it is odd; what they say about the time since the last look.

    ``looks``: how many a campaign makes in all. A machine that became slower is waited for, ``patience`` seconds at
    most; afterwards, and at once where it became faster, its speed counts as its level.
    """
    if level is None:
        return MachineChecked(references=tuple(take() for _ in range(AGAIN)), level="begun")
    references: tuple[Interval, ...] = (take(),)
    if odd(level, references[0].value):
        references += _again(take, AGAIN - 1, sleep)
    found = change(level, [each.value for each in references], looks) if len(references) == AGAIN else None
    if found is None:
        return MachineChecked(references=references, level="kept")
    further = _until_back(take, level, patience, sleep) if found.value < 0 else ()
    back = _is_back(level, further)
    return MachineChecked(
        references=references + further,
        level="regained" if back else "begun",
        change=found,
        reason=f"the machine changed speed by {percent(found)} while it ran",
    )


def to_repeat(progress: Progress) -> tuple[Trial, ...]:
    """Trials since the last look whose outcome a change of speed would spoil; each configuration is repeated once."""
    before = {progress.trials[number].assignment for number in progress.repeated}
    since = (progress.trials[number] for number in progress.unchecked)
    return tuple(trial for trial in since if _by_speed(trial) and trial.assignment not in before)


@dataclass(slots=True)
class MachineWatch:
    """Runs references on the trials' cores, and records what they say in the ledger."""

    session: Session
    _load: ReferenceLoad | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def check(self, repeatable: Callable[[Trial], bool]) -> None:
        """Look after the trials that ended since the last check; one that is not ``repeatable`` counts all the same."""
        progress = self.session.progress
        spoilt = to_repeat(progress)
        longest = max((trial.ended - trial.started for trial in spoilt), default=0.0)
        found = self._look(max(longest, _PATIENCE) if spoilt else 0.0)
        if found is not None:
            again = () if found.change is None else tuple(trial.number for trial in spoilt if repeatable(trial))
            self.session.journal.record(found.model_copy(update={"trials": progress.unchecked, "repeated": again}))

    def check_block(self, candidate: int, index: int) -> None:
        """Look after a block of the confirmation. It is only marked: blocks are interleaved, so both sides meet it."""
        found = self._look(0.0)
        if found is not None:
            self.session.journal.record(found.model_copy(update={"block": (candidate, index)}))

    def close(self) -> None:
        """End the reference load."""
        self._load = None
        self._stack.close()

    def _look(self, patience: float) -> MachineChecked | None:
        """``None`` where the reference load cannot run: then nothing is known, and nothing is repeated."""
        began = time.monotonic()
        looks = self.session.inputs.spec.budget.trials + BLOCKS
        try:
            found = look(self._take, self.session.progress.level, looks=looks, patience=patience)
        except TemporaryError as error:
            self.close()  # the next look starts it again
            _log.warning("the machine's speed is not known", reason=str(error))
            return None
        if found.change is not None:
            _log.warning("the machine changed its speed", change=percent(found.change))
        return found.model_copy(update={"seconds": round(time.monotonic() - began, 3)})

    def _take(self) -> Interval:
        if self._load is None:
            inputs = self.session.inputs
            resources = inputs.workload(inputs.baseline).resources
            self._load = self._stack.enter_context(self.session.backend.reference(resources))
        return self._load.run().speed


def _by_speed(trial: Trial) -> bool:
    """Whether the machine's speed may have made this outcome."""
    outcome = trial.outcome
    return isinstance(outcome, Completed) or (isinstance(outcome, Failed) and outcome.failure in _SLOW_MACHINE)


def _again(take: Callable[[], Interval], count: int, sleep: Callable[[float], None]) -> tuple[Interval, ...]:
    taken: tuple[Interval, ...] = ()
    for _ in range(count):
        sleep(_APART)
        taken += (take(),)
    return taken


def _until_back(
    take: Callable[[], Interval], level: Level, patience: float, sleep: Callable[[float], None]
) -> tuple[Interval, ...]:
    """References until the machine is back at its level, or for that many seconds."""
    taken: tuple[Interval, ...] = ()
    left = patience
    while left >= _APART and not _is_back(level, taken):
        taken += _again(take, 1, sleep)
        left -= _APART + SECONDS
    return taken


def _is_back(level: Level, taken: tuple[Interval, ...]) -> bool:
    return len(taken) >= AGAIN and not any(odd(level, each.value) for each in taken[-AGAIN:])
