"""A campaign while it runs: a live view on a terminal, a line an event elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from tuner.campaign.event import (
    BlockFinished,
    CampaignStarted,
    Event,
    Judged,
    Recommended,
    SearchEnded,
    StepStarted,
    TrialFinished,
    TrialStarted,
)
from tuner.campaign.observer import Observer
from tuner.load.protocol import LoadResult
from tuner.measurement.latency import percentile
from tuner.space.assignment import Assignment
from tuner.trial.outcome import Completed, Failed, Trial

__all__ = ["LineObserver", "LiveObserver", "watching"]

_STEPS = {"search": "searching", "confirm": "confirming", "report": "writing the report", "propose": "proposing"}


@contextmanager
def watching(console: Console, *, quiet: bool = False) -> Iterator[Observer]:
    """An observer that suits the console: live on a terminal, lines elsewhere."""
    if quiet or not console.is_terminal:
        yield LineObserver(console, quiet=quiet)
        return
    observer = LiveObserver(console)
    with Live(observer.view(), console=console, refresh_per_second=4, transient=True, get_renderable=observer.view):
        yield observer


class LineObserver:
    """One line for each event that a person waits for; ``quiet`` prints none."""

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._console = console
        self._quiet = quiet
        self._narrator = Narrator()

    def campaign(self, campaign: str, trials: int, metric: str) -> None:
        self._say(f"campaign {campaign}: at most {trials} trials, {metric}")

    def event(self, event: Event, *, replayed: bool) -> None:
        text = self._narrator.line(event)
        if text and not replayed:
            self._say(text)

    def load(self, label: str, rate: float, result: LoadResult) -> None: ...

    def _say(self, text: str) -> None:
        if not self._quiet:
            self._console.print(text, markup=False)


class LiveObserver:
    """Progress bar, best so far, the load that is running; each finished trial scrolls by above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
        )
        self._task = self._bar.add_task("starting", total=1, left="")
        self._narrator = Narrator()
        self._now = ""
        self._baseline: float | None = None
        self._best: float | None = None
        self._began = time.monotonic()
        self._done_here = 0

    def view(self) -> RenderableType:
        """What is drawn now."""
        best, baseline = self._best, self._baseline
        line = "" if best is None else f"best {best:,.0f} requests/s"
        if best is not None and baseline:
            line += f", baseline {baseline:,.0f} ({best / baseline:.2f}×)"
        return Group(self._bar, Text(line), Text(self._now, style="dim"))

    def campaign(self, campaign: str, trials: int, metric: str) -> None:
        self._bar.update(self._task, description=campaign, total=trials)
        self._console.print(f"campaign {campaign}: at most {trials} trials, {metric}", markup=False)

    def event(self, event: Event, *, replayed: bool) -> None:
        match event:
            case CampaignStarted():
                self._best = self._baseline = None
                self._began, self._done_here = time.monotonic(), 0
                self._bar.reset(self._task, total=self._bar.tasks[0].total)
            case TrialFinished():
                self._finish(event.trial, replayed=replayed)
            case StepStarted():
                self._now = _STEPS.get(event.step, event.step)
            case SearchEnded():
                self._bar.update(self._task, completed=self._bar.tasks[0].total)
            case TrialStarted():
                self._now = f"trial {event.number}: starting {self._narrator.named(event.assignment)}"
            case _:
                pass
        text = self._narrator.line(event)
        if text and not replayed:
            self._console.print(text, markup=False)

    def load(self, label: str, rate: float, result: LoadResult) -> None:
        p99 = percentile(result.histogram, 99) * 1000
        failures = f", {result.failures} failed" if result.failures else ""
        self._now = f"{label}: {rate:,.0f} requests/s → p99 {p99:,.1f} ms{failures}"

    def _finish(self, trial: Trial, *, replayed: bool) -> None:
        if not isinstance(trial.outcome, Completed | Failed):
            return  # it is run again, and does not count against the budget
        self._bar.advance(self._task)
        if isinstance(trial.outcome, Completed) and trial.outcome.measurement.capacity is not None:
            rate = trial.outcome.measurement.capacity.rate.value
            self._best = max(rate, self._best or 0.0)
            if trial.assignment == self._narrator.baseline:
                self._baseline = rate
        if not replayed:
            self._done_here += 1
            task = self._bar.tasks[0]
            each = (time.monotonic() - self._began) / self._done_here
            left = max((task.total or 0) - task.completed, 0) * each
            self._bar.update(self._task, left=f"about {left / 60:.0f} min of search left" if left > 60 else "")


class Narrator:
    """Events as lines for people; a configuration is named by what differs from the baseline."""

    def __init__(self) -> None:
        self.baseline: Assignment | None = None

    def line(self, event: Event) -> str:
        """One line; empty for what only the ledger needs."""
        match event:
            case CampaignStarted():
                self.baseline = event.baseline
                size = "endless" if event.space_size is None else f"{event.space_size:,}"
                return f"{size} configurations; baseline: {event.baseline}"
            case TrialFinished():
                trial = event.trial
                seconds = trial.ended - trial.started
                return f"trial {trial.number:3d}  {_outcome(trial)}  {seconds:4.1f} s  {self.named(trial.assignment)}"
            case SearchEnded():
                return f"search {event.reason}"
            case BlockFinished():
                block = event.block
                return f"block {block.index + 1:3d}  {_outcome(event.trial)}  {event.seconds:4.1f} s  {block.side}"
            case Recommended():
                return event.recommendation.reason
            case Judged():
                word = "allowed" if event.verdict.allow else "denied"
                reasons = "; ".join(denial.msg for denial in event.verdict.denials)
                return f"policies: {word}{f' – {reasons}' if reasons else ''}"
            case _:
                return ""

    def named(self, assignment: Assignment) -> str:
        """``baseline``, or the values that differ from it; a parameter that does not apply any more is left out."""
        if self.baseline is None or assignment == self.baseline:
            return "baseline"
        known = self.baseline
        return " ".join(f"{name}={value}" for name, value in assignment.items() if known.get(name) != value)


def _outcome(trial: Trial) -> str:
    outcome = trial.outcome
    if not isinstance(outcome, Completed):
        return f"{outcome.kind}: {outcome.reason.splitlines()[0]}"
    if outcome.measurement.capacity is None:
        return "no capacity"
    rate = outcome.measurement.capacity.rate
    return f"{rate.value:8,.0f} requests/s ({rate.low:,.0f}–{rate.high:,.0f})"


def _block(event: BlockFinished) -> str:
    return f"block {event.block.index + 1:3d}  {_outcome(event.trial)}  {event.seconds:4.1f} s  {event.block.side}"
