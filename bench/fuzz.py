"""``python -m bench.fuzz``: a million inputs at the doors for strangers' text, by coverage (atheris); resumable.

Each door gets its turn, a process of some seconds each; inputs that reached new code are kept in the cache and are the
seeds of the next turn. The count goes on where an earlier run stopped. Exit status 1 where a door did something wrong.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import platformdirs

from bench.result import write
from testbed.hostile.door import complaint
from testbed.hostile.doors import DOORS
from testbed.hostile.originals import ORIGINALS
from tuner.measurement.benchmark import Figure

__all__ = ["main"]

_DOORS = ("spec", "watch", "manifest", "waivers", "quota", "webhook", "comment", "model", "experience", "table")
_GOAL = 1_000_000
_LARGEST = 8_192
"""Bytes of an input: the corpus of tests/hostile has the large ones."""
_MEMORY = 500
"""MiB of a process, the counters of its coverage included."""
_PATIENCE = 30
"""Seconds of one input."""


def main() -> int:
    """Fuzz until the goal or the time is reached; write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--executions", type=int, default=_GOAL, help="inputs in total, those of earlier runs included")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this long")
    parser.add_argument("--turn", type=int, default=60, help="seconds of one process")
    parser.add_argument("--out", type=Path, help="where the result goes (default: bench/results/fuzz.json)")
    chosen = parser.parse_args()
    folder = platformdirs.user_cache_path("tuner") / "fuzz"
    (folder / "findings").mkdir(parents=True, exist_ok=True)
    _mended(folder / "findings")
    told = _earlier(folder)
    until = time.monotonic() + chosen.seconds
    while sum(each["executions"] for each in told.values()) < chosen.executions and time.monotonic() < until:
        door = min(_DOORS, key=lambda name: told[name]["seconds"])
        _turn(door, folder, told[door], chosen.turn)
        (folder / "told.json").write_text(json.dumps(told))
        _write(told, folder, chosen.out)
    return 1 if _findings(folder) else 0


def _mended(findings: Path) -> None:
    """Forget the findings of earlier runs that the doors bear today."""
    for place in [place for place in findings.iterdir() if not place.suffix]:
        door = next((door for door in sorted(DOORS, key=len, reverse=True) if place.name.startswith(f"{door}-")), "")
        if door and complaint(DOORS[door], place.read_bytes()) is None:
            place.unlink()
            place.with_suffix(".txt").unlink(missing_ok=True)


def _earlier(folder: Path) -> dict[str, dict[str, Any]]:
    told: dict[str, dict[str, Any]] = {}
    if (folder / "told.json").is_file():
        told = json.loads((folder / "told.json").read_text())
    return {door: told.get(door, {"executions": 0, "seconds": 0.0, "peak_mib": 0, "crashes": 0}) for door in _DOORS}


def _turn(door: str, folder: Path, told: dict[str, Any], seconds: int) -> None:
    seeds = folder / "seeds" / door
    seeds.mkdir(parents=True, exist_ok=True)
    (seeds / "good").write_bytes(ORIGINALS[door])
    options = (
        f"-max_total_time={seconds}",
        f"-max_len={_LARGEST}",
        f"-rss_limit_mb={_MEMORY}",
        f"-timeout={_PATIENCE}",
        f"-artifact_prefix={folder / 'findings' / door}-crash-",
        "-print_final_stats=1",
        "-verbosity=0",
    )
    command = [sys.executable, "-m", "bench.fuzz_target", door, str(folder / "findings"), *options, str(seeds)]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    told["seconds"] += time.monotonic() - began
    told["executions"] += _stated(done.stderr, "number_of_executed_units")
    told["peak_mib"] = max(told["peak_mib"], _stated(done.stderr, "peak_rss_mb"))
    if done.returncode:
        told["crashes"] += 1
        (folder / "findings" / f"{door}-ended-{told['crashes']}.txt").write_text(done.stderr[-20_000:])


def _stated(text: str, name: str) -> int:
    found = re.search(rf"stat::{name}:\s*(\d+)", text)
    return int(found[1]) if found else 0


def _findings(folder: Path) -> int:
    return len(list((folder / "findings").glob("*.txt")))


def _write(told: dict[str, dict[str, Any]], folder: Path, out: Path | None) -> None:
    total = sum(each["executions"] for each in told.values())
    found = _findings(folder)
    figures = (
        Figure.of("executions", total, "inputs", goal=f">= {_GOAL}"),
        Figure.of("findings", found, "kinds", goal="<= 0"),
        Figure.of("peak", max(each["peak_mib"] for each in told.values()), "MiB"),
    )
    runs = [{"door": door, **each, "seconds": round(each["seconds"], 1)} for door, each in told.items()]
    write("fuzz", figures, runs, ["python", "-m", "bench.fuzz"], out=out)


if __name__ == "__main__":
    raise SystemExit(main())
