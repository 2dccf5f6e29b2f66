"""A tuner on a machine that changes its speed: ``python -m tests.campaign.drifting SPEC STATE SPEEDS [DIE]``.

``SPEEDS`` is what the reference load says: a list of ``SERVER:SPEED``, where from the start of that server on (counted
from 1 over all processes, by the folders of the trials) the machine has this speed. ``SERVER:SPEED*COUNT`` holds for so
many references only, then the speed before it comes back. ``DIE`` kills this process right after the ledger has the
event of that kind about that trial: ``trial-finished 2``, ``machine-checked 2``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.campaign.dying import die
from tuner.campaign.event import Event, MachineChecked, TrialFinished
from tuner.campaign.observer import Silent
from tuner.campaign.run import run_campaign
from tuner.campaign.target import Target
from tuner.cli.wiring import Settings, make_parts
from tuner.engine.workload import Resources
from tuner.measurement.model import Interval
from tuner.repository.repository import Repository
from tuner.trial.process import ProcessBackend
from tuner.trial.reference import ReferenceLoad, ReferenceRun


@dataclass
class Script:
    """Speeds by the number of servers that were started."""

    steps: list[tuple[int, float, int | None]]
    given: dict[int, int] = field(default_factory=dict)
    """References that were given, by step."""

    @classmethod
    def read(cls, text: str) -> Script:
        steps = []
        for step in text.split():
            server, _, rest = step.partition(":")
            speed, _, count = rest.partition("*")
            steps.append((int(server), float(speed), int(count) if count else None))
        return cls(steps)

    def speed(self, servers: int) -> float:
        for index, (server, speed, count) in reversed(list(enumerate(self.steps))):
            if server <= servers and (count is None or self.given.get(index, 0) < count):
                self.given[index] = self.given.get(index, 0) + 1
                return speed
        return 1000.0


@dataclass
class Scripted:
    """A reference load that says what the script has; it differs by a few per mille, as a quiet machine does."""

    script: Script
    trials: Path
    runs: int = 0

    def run(self) -> ReferenceRun:
        self.runs += 1
        servers = sum(1 for each in self.trials.iterdir() if each.is_dir()) if self.trials.is_dir() else 0
        speed = self.script.speed(servers) * (1 + 0.002 * (self.runs % 3 - 1))
        return ReferenceRun(speed=Interval(value=speed, low=0.99 * speed, high=1.01 * speed), seconds=0.0, cores=1)


class DriftingBackend(ProcessBackend):
    """Real servers; only the reference load is scripted."""

    script: Script
    folder: Path

    @contextmanager
    def reference(self, resources: Resources) -> Iterator[ReferenceLoad]:
        yield Scripted(self.script, self.folder)


class DyingObserver(Silent):
    """Dies after one event."""

    def __init__(self, moment: str) -> None:
        self._moment = moment

    def event(self, event: Event, *, replayed: bool) -> None:
        about: tuple[int, ...] = ()
        if isinstance(event, TrialFinished):
            about = (event.trial.number,)
        elif isinstance(event, MachineChecked):
            about = event.trials
        if not replayed and any(f"{event.kind} {number}" == self._moment for number in about):
            die()


def main(spec: str, state: str, speeds: str, moment: str = "") -> None:
    path = Path(spec)
    repository = Repository.around(path)
    name = path.resolve().relative_to(repository.folder.resolve()).as_posix()
    parts = make_parts(repository, Settings(Path(state)), DyingObserver(moment))

    def backend(trials: Path) -> ProcessBackend:
        made = DriftingBackend(trials, state=Path(state) / "processes")
        made.script, made.folder = Script.read(speeds), trials
        return made

    run_campaign(Target.of(repository, name, "main", "echo"), replace(parts, backend=backend))


if __name__ == "__main__":
    main(*sys.argv[1:])
