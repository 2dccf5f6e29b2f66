"""A campaign while it runs: a live view on a terminal, a line an event elsewhere."""

from __future__ import annotations

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
    ExperienceRecalled,
    Judged,
    MachineChecked,
    Recommended,
    SearchEnded,
    StepStarted,
    TrialFinished,
    TrialStarted,
)
from tuner.campaign.observer import Observer
from tuner.load.protocol import LoadResult
from tuner.measurement.drift import percent
from tuner.measurement.latency import percentile
from tuner.search.progress import Best
from tuner.search.progress import Progress as Standing
from tuner.space.assignment import Assignment
from tuner.trial.outcome import Completed, Trial

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

    def search(self, progress: Standing) -> None: ...

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
        self._best = ""

    def view(self) -> RenderableType:
        """What is drawn now."""
        return Group(self._bar, Text(self._best), Text(self._now, style="dim"))

    def campaign(self, campaign: str, trials: int, metric: str) -> None:
        self._bar.update(self._task, description=campaign, total=trials)
        self._console.print(f"campaign {campaign}: at most {trials} trials, {metric}", markup=False)

    def event(self, event: Event, *, replayed: bool) -> None:
        match event:
            case CampaignStarted():
                self._best = ""
                self._bar.reset(self._task, total=self._bar.tasks[0].total)
            case MachineChecked():
                self._bar.advance(self._task, -len(event.repeated))
            case StepStarted():
                self._now = _STEPS.get(event.step, event.step)
            case SearchEnded():
                self._bar.update(self._task, completed=self._bar.tasks[0].total, left="")
            case TrialStarted():
                self._now = f"trial {event.number}: starting {self._narrator.named(event.assignment)}"
            case _:
                pass
        text = self._narrator.line(event)
        if text and not replayed:
            self._console.print(text, markup=False)

    def search(self, progress: Standing) -> None:
        seconds = progress.seconds_left or 0.0
        left = f"at most {seconds / 60:.0f} min of search left" if seconds > 60 else ""
        self._bar.update(self._task, total=progress.total, completed=progress.total - progress.left, left=left)
        if progress.best is not None:
            self._best = _best(progress.best)

    def load(self, label: str, rate: float, result: LoadResult) -> None:
        p99 = percentile(result.histogram, 99) * 1000
        failures = f", {result.failures} failed" if result.failures else ""
        self._now = f"{label}: {rate:,.0f} requests/s → p99 {p99:,.1f} ms{failures}"


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
            case ExperienceRecalled():
                return _learned(event)
            case TrialFinished():
                trial = event.trial
                seconds = trial.ended - trial.started
                return f"trial {trial.number:3d}  {_outcome(trial)}  {seconds:4.1f} s  {self.named(trial.assignment)}"
            case MachineChecked():
                return _machine(event)
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


def _learned(event: ExperienceRecalled) -> str:
    services = f"{event.services} service{'' if event.services == 1 else 's'}"
    learned = f"learned from {event.trials:,} earlier trials of {services}" if event.trials else ""
    missed = f"what earlier campaigns taught is not used: {event.reason}" if event.reason else ""
    return "; ".join(filter(None, (learned, missed)))


def _machine(check: MachineChecked) -> str:
    """Only what changed is worth a line."""
    if check.change is None:
        return ""
    again = ", ".join(str(number) for number in check.repeated)
    done = f"; trial {again} is run again" if again else "; the block is marked" if check.block else ""
    waited = f" (it came back after {check.seconds:.0f} s)" if check.level == "regained" else ""
    return f"the machine changed speed by {percent(check.change)}{waited}{done}"


def _outcome(trial: Trial) -> str:
    outcome = trial.outcome
    if not isinstance(outcome, Completed):
        return f"{outcome.kind}: {outcome.reason.splitlines()[0]}"
    if outcome.measurement.capacity is None:
        return "no capacity"
    if outcome.measurement.cut is not None:
        return f"cut short: {outcome.measurement.cut.reason}"
    rate = outcome.measurement.capacity.rate
    found = outcome.measurement.interference
    disturbed = f", disturbed: {found.reason}" if found is not None and found.marks else ""
    return f"{rate.value:8,.0f} requests/s ({rate.low:,.0f}–{rate.high:,.0f}){disturbed}"


def _best(best: Best) -> str:
    times = "" if best.advantage is None else f", {best.advantage:.2f}× as good as the baseline"
    return f"best: trial {best.number}, {best.metrics.capacity:,.0f} requests/s{times}"
