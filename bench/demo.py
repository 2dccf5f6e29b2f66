"""Where a campaign's time goes: ``python -m bench.demo [--runs 3]`` runs the demo afresh and writes its phases.

Each run has a new scratch folder. The share outside start-up and load is what tuner itself adds: everything but
starting servers and sending load to them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from statistics import mean
from typing import Any

import psutil

from bench.result import write
from testbed import demo
from tuner.campaign.journal import progress_of
from tuner.campaign.progress import Progress
from tuner.ledger.chain import read_chain
from tuner.measurement.benchmark import Figure
from tuner.trial.outcome import Completed, Trial

__all__ = ["main"]

STEPS = ("search", "confirm", "report", "propose")
_ROLES = {"tuner.load.worker": "generator", "tuner.trial.keeper": "keeper", "tritonserver": "server", "watch": "tuner"}


def main() -> int:
    """Run, measure, write; 1 where a campaign did not end as it should."""
    parser = argparse.ArgumentParser(prog="bench.demo", description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="folder to keep the runs' repositories in")
    given = parser.parse_args()
    runs = [_run(number, given.keep) for number in range(given.runs)]
    figures = [_figure("wall of the demo", [run["wall"] for run in runs], "s", "<= 300")]
    figures.append(_figure("campaign", [run["campaign"] for run in runs], "s"))
    figures += [_figure(f"step {step}", [run["steps"].get(step, 0.0) for run in runs], "s") for step in STEPS]
    figures.append(_figure("start-up a trial", [run["start_up"] for run in runs], "s"))
    figures.append(_figure("share outside start-up and load", [run["outside"] * 100 for run in runs], "%", "<= 5"))
    if gains := [run["ratio"] for run in runs if run["ratio"]]:
        figures.append(_figure("gain over the baseline", gains, "×"))
    for role in ("tuner", "generator", "keeper"):
        figures.append(_figure(f"peak memory, {role}", [run["memory"].get(role, 0.0) for run in runs], "MiB"))
    write("demo", figures, runs, ["make", "bench-demo"])
    return 0 if all(run["result"] in ("proposed", "kept-baseline") for run in runs) else 1


def _run(number: int, keep: Path | None) -> dict[str, Any]:
    with ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="tuner-bench-")
        scratch = str(keep / str(number)) if keep else stack.enter_context(temporary)
        with _memory() as peaks:
            began = time.monotonic()
            demo.main([scratch])
            wall = time.monotonic() - began
        (ledger,) = Path(scratch, "state", "campaigns").glob("*/ledger.jsonl")
        chain = ledger.read_bytes()
    progress = progress_of(chain)
    campaign = _seconds(chain)
    used = _start_and_load(progress)
    decided = progress.decided
    comparison = decided.comparison if decided else None
    return {
        "run": number,
        "wall": round(wall, 2),
        "campaign": round(campaign, 2),
        "steps": dict(progress.steps),
        "trials": len(progress.trials),
        "start_up": round(mean([*_start_ups(progress)] or [0.0]), 3),
        "outside": round(1 - used / campaign, 4),
        "result": progress.ended.result if progress.ended else "unfinished",
        "ratio": comparison.ratio.value if comparison else None,
        "interval": [comparison.ratio.low, comparison.ratio.high] if comparison else None,
        "memory": {role: round(size / 2**20, 1) for role, size in peaks.items()},
    }


def _seconds(chain: bytes) -> float:
    """From the first record of the campaign to its last."""
    first, *_, last = (datetime.fromisoformat(record.time) for record in read_chain(chain))
    return (last - first).total_seconds()


def _servers(progress: Progress) -> Iterator[Trial]:
    yield from progress.trials.values()
    for events in progress.blocks.values():
        yield from (event.trial for event in events)


def _start_ups(progress: Progress) -> Iterator[float]:
    for trial in _servers(progress):
        if isinstance(trial.outcome, Completed):
            yield trial.outcome.measurement.start_up or 0.0


def _start_and_load(progress: Progress) -> float:
    """Seconds of start-up and load; of a trial that failed, all of its time."""
    total = 0.0
    for trial in _servers(progress):
        if isinstance(trial.outcome, Completed):
            total += (trial.outcome.measurement.start_up or 0.0) + trial.outcome.measurement.elapsed
        else:
            total += trial.ended - trial.started
    return total


@contextmanager
def _memory() -> Iterator[Mapping[str, float]]:
    """Peak resident bytes by role of this process's descendants, looked at twice a second."""
    peaks: dict[str, float] = {}
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(0.5):
            for process in psutil.Process().children(recursive=True):
                try:
                    line, size = " ".join(process.cmdline()), process.memory_info().rss
                except psutil.Error:
                    continue
                role = next((role for word, role in _ROLES.items() if word in line), "other")
                peaks[role] = max(peaks.get(role, 0.0), size)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        stop.set()
        thread.join()


def _figure(name: str, values: list[float], unit: str, goal: str | None = None) -> Figure:
    """The mean over the runs, with the lowest and highest as the interval."""
    interval = (min(values), max(values)) if len(values) > 1 else None
    return Figure.of(name, mean(values), unit, interval=interval, goal=goal)


if __name__ == "__main__":
    sys.exit(main())
