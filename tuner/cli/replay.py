"""``tuner replay``: try a search strategy on recorded measurements before paying for trials."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from tuner.cli.options import Json
from tuner.cli.output import Output
from tuner.errors import UserError

if TYPE_CHECKING:
    from tuner.replay.advice import Adviser
    from tuner.replay.bands import BandFound, Served
    from tuner.replay.recording import Recording
    from tuner.replay.run import Step

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(replay)


def replay(
    table: Annotated[Path, typer.Option(help="Measurements, as comma-separated values with a header.")],
    descriptor: Annotated[Path, typer.Option(help="What its columns are, what is aimed at: YAML, see docs/replay.md.")],
    service: Annotated[str | None, typer.Option(help="Which service of the table, where it has several.")] = None,
    prior: Annotated[
        Path | None, typer.Option(help="What to learn from first: exported experience (.jsonl) or such a table.")
    ] = None,
    sampler: Annotated[str, typer.Option(help="tuner, tpe, random, nsga2, cmaes, grid or qmc.")] = "tuner",
    trials: Annotated[int, typer.Option(min=1, max=100_000, help="Most trials.")] = 30,
    noise: Annotated[float, typer.Option(min=0, max=1, help="Noise put on what is measured: 0.05 is 5 %.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of noise and sampler.")] = 0,
    slo: Annotated[str | None, typer.Option(help="Another bound than the descriptor's: 50, or METRIC=50.")] = None,
    as_json: Json = False,
) -> None:
    """Search recorded measurements as a campaign would, trial by trial, and compare with the best that is in them."""
    from tuner.replay.advice import Adviser
    from tuner.replay.descriptor import read_descriptor_file
    from tuner.replay.prior import others, read_prior
    from tuner.replay.recording import recording_of
    from tuner.replay.strategy import learned, strategy_named, tuner_sampler
    from tuner.replay.table import read_table_file

    output = Output(as_json=as_json)
    described = read_descriptor_file(descriptor)
    if slo is not None:
        described = described.limited(*_bound(slo))
    recording = recording_of(read_table_file(table, described), service)
    earlier = () if prior is None else others(read_prior(prior, described), recording.service, recording.family)
    adviser: Adviser | None = None
    if sampler == "tuner":
        learner = tuner_sampler(recording, earlier, seed)
        strategy, adviser = learned(recording, learner), Adviser(recording, learner)
    else:
        strategy = strategy_named(sampler, recording, seed=seed, trials=trials)
    shown = _Shown(recording, sampler, len(earlier), adviser)
    if not as_json:
        shown.begin(output.out)
    shown.run(strategy, noise=noise, seed=seed, trials=trials, console=None if as_json else output.out)
    output.result(shown.document(), shown.end)


def _bound(text: str) -> tuple[float, str | None]:
    name, _, number = text.rpartition("=")
    try:
        return float(number), name or None
    except ValueError as error:
        raise UserError.of(f"--slo {text!r} is no bound", "write a number, or METRIC=NUMBER") from error


@dataclass(slots=True)
class _Shown:
    """A replay as it is printed: line by line, or as one document."""

    recording: Recording
    sampler: str
    earlier: int
    adviser: Adviser | None
    steps: list[Step] = field(default_factory=list)
    stopped: str = ""

    def run(self, strategy: Any, *, noise: float, seed: int, trials: int, console: Console | None) -> None:
        from tuner.replay.recording import Noise
        from tuner.replay.run import plateau
        from tuner.replay.run import replay as replayed

        resting = plateau(self.recording, max(10, trials // 2))
        self.stopped = "every configuration was tried"
        for step in replayed(self.recording, strategy, Noise(noise, seed)):
            self.steps.append(step)
            if console is not None:
                console.print(self._line(step), markup=False)
            spent = f"the budget of {trials} trials is used" if step.number >= trials else None
            reason = self._advised() or spent or resting(self.steps)
            if reason is not None:
                self.stopped = reason
                return

    def _advised(self) -> str | None:
        """Why tuner's model would end the search."""
        if self.adviser is None:
            return None
        return self.adviser.hopeless(self.steps) or self.adviser.settled(self.steps)

    def begin(self, console: Console) -> None:
        limits = ", ".join(f"{limit.metric} at most {limit.bound:g}" for limit in self.recording.aim.limits)
        console.print(
            f"{self.recording.service}: {len(self.recording.candidates):,} configurations, {limits or 'no limit'}; "
            f"{self.sampler}, {self.earlier} earlier services",
            markup=False,
        )

    def _line(self, step: Step) -> str:
        measured = " ".join(f"{reading.metric}={reading.value:.4g}" for reading in step.tried.readings)
        merit = "failed" if step.merit is None else f"{step.merit:.4g}" if step.holds else "over the limit"
        return f"{step.number:>4}  {step.assignment}  {measured}  {merit}{self._progress()}"

    def _progress(self) -> str:
        from tuner.replay.run import share_so_far

        share = share_so_far(self.recording, self.steps)
        return "" if share is None else f"  (so far {share:.1%} of the best)"

    def end(self, console: Console) -> None:
        from tuner.replay.advice import missed

        found = self.document()
        if self.recording.rates:
            self._end_of_bands(console)
            return
        best, chosen, optimum = found["best"], found["recommended"], found["optimum"]
        if best is None:
            console.print(f"nothing held the limits; {missed(self.recording, self.steps)}", markup=False)
        else:
            console.print(f"best measured: {_told(best)}", markup=False)
        if chosen is not None and (best is None or chosen["assignment"] != best["assignment"]):
            console.print(f"recommended: {_told(chosen)}", markup=False)
        where = "nothing in the recording holds the limits" if optimum is None else f"the best is {_told(optimum)}"
        console.print(f"in the recording: {where}", markup=False)
        console.print(f"stopped: {self.stopped}", markup=False)

    def _end_of_bands(self, console: Console) -> None:
        from tuner.replay.advice import missed
        from tuner.replay.bands import bands_found

        for band in bands_found(self.recording, self.steps, self.adviser):
            told = missed(self.recording, self.steps) if band.best is None else str(band.best)
            console.print(f"up to {band.up_to:g}: best measured {told}", markup=False)
            if band.recommended is not None and (band.best is None or band.recommended != band.best):
                console.print(f"    recommended: {band.recommended}", markup=False)
            where = "nothing holds the limits" if band.optimum is None else f"the best is {band.optimum}"
            console.print(f"    in the recording: {where}", markup=False)
        console.print(f"stopped: {self.stopped}", markup=False)

    def document(self) -> dict[str, Any]:
        """All of it as JSON."""
        from tuner.replay.bands import bands_found
        from tuner.replay.run import best_measured, nearest_miss

        best, top = self.recording.best, best_measured(self.steps)
        miss = nearest_miss(self.recording, self.steps) if top is None else None
        if self.recording.rates:  # each has a best of its own
            best, top = None, None
        chosen = None if self.adviser is None or self.recording.rates else self.adviser.recommended(self.steps)
        return {
            "service": self.recording.service,
            "family": self.recording.family,
            "configurations": len(self.recording.candidates),
            "sampler": self.sampler,
            "earlier_services": self.earlier,
            "unit": self.recording.unit,
            "trials": [self._step(step) for step in self.steps],
            "best": None if top is None else self._found(top.assignment),
            "recommended": None if chosen is None else self._found(chosen),
            "optimum": None
            if best is None
            else {"assignment": dict(best.assignment), "merit": best.merit, "share": 1.0},
            "bands": [_band(band) for band in bands_found(self.recording, self.steps, self.adviser)],
            "nearest_miss": None if miss is None else {"assignment": dict(miss[0].assignment), "over": miss[1]},
            "stopped": self.stopped,
        }

    def _found(self, assignment: Any) -> dict[str, Any]:
        """A configuration with its true merit, and how much of the optimum that is."""
        from tuner.replay.advice import share_of

        worth = self.recording.worth(assignment)
        share = share_of(self.recording.best, worth)
        return {"assignment": dict(assignment), "merit": worth, "share": share}

    def _step(self, step: Step) -> dict[str, Any]:
        return {
            "number": step.number,
            "assignment": dict(step.assignment),
            "measured": {reading.metric: reading.value for reading in step.tried.readings},
            "merit": step.merit,
            "holds": step.holds,
            "ask_ms": round(step.ask_ms, 3),
        }


def _band(found: BandFound) -> dict[str, Any]:
    return {
        "above": found.above,
        "up_to": found.up_to,
        "best": _served(found.best),
        "recommended": _served(found.recommended),
        "optimum": _served(found.optimum),
    }


def _served(found: Served | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "assignment": dict(found.assignment),
        "replicas": found.replicas,
        "cost": found.cost,
        "share": found.share,
    }


def _told(found: dict[str, Any]) -> str:
    values = " ".join(f"{name}={value}" for name, value in found["assignment"].items())
    if found["merit"] is None:
        return f"{values}, which truly breaks a limit"
    return f"{values}, merit {found['merit']:.4g}, {found['share']:.1%} of the best"
