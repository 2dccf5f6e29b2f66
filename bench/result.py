"""Writing a benchmark's result: where it ran, what was run, and the table that people read."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tuner.measurement.benchmark import BenchmarkResult, Figure
from tuner.trial.hardware import survey

__all__ = ["AUDITED", "BEGUN", "CODE", "MEASURED", "RESULTS", "ROOT", "commit", "machine", "write"]

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"
CODE = (
    "bench",
    "testbed",
    "tuner",
    "requirements",
    "pyproject.toml",
    "configs/text-orientation",
    ":(exclude)bench/results",
)
"""What a figure depends on; tests, texts and results do not count."""
MEASURED = (
    "bench/load*.py",
    "bench/result.py",
    "bench/stock_locust.py",
    "testbed",
    "requirements",
    "configs/text-orientation",
    *(f"tuner/{room}" for room in ("engine", "load", "measurement", "trial")),
)
"""What the figures about load and measurement depend on."""
AUDITED = ("bench/audit.py", "bench/result.py", "tuner/ledger", "tuner/value.py")
"""What the figures about the audit log depend on."""


def machine() -> dict[str, str]:
    """The machine in words, without any name of it."""
    hardware = survey()
    gpus = ", ".join(gpu.product for gpu in hardware.gpus.gpus)
    return {
        "processor": hardware.cpu_model,
        "cpus": str(len(hardware.cpus)),
        "memory": f"{hardware.memory / 2**30:.0f} GiB",
        "gpu": gpus or "none",
        "python": sys.version.split()[0],
    }


def write(
    name: str,
    figures: Sequence[Figure],
    runs: Sequence[Mapping[str, Any]],
    command: Sequence[str],
    code: tuple[str, ...] = CODE,
    *,
    groups: Sequence[Mapping[str, Any]] = (),
    out: Path | None = None,
) -> Path:
    """Write ``bench/results/NAME.json``, or ``out``; the file's path. The table is printed where there are no groups.

    ``code`` is what the figures depend on. A group and a run take a line each, where there are groups.
    """
    result = BenchmarkResult(
        name=name,
        command=shlex.join(command),
        commit=BEGUN[code],
        machine=machine(),
        figures=tuple(figures),
        groups=tuple(dict(group) for group in groups),
        runs=tuple(dict(run) for run in runs),
    )
    path = out or RESULTS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_lined(result) if groups else result.model_dump_json(indent=1) + "\n", encoding="utf-8")
    if not groups:
        _print(result)
    return path


def _lined(result: BenchmarkResult) -> str:
    """The result as JSON, its thousands of groups and runs a line each."""
    parts = []
    for name, value in result.model_dump(mode="json").items():
        if isinstance(value, list):
            value = "[\n" + ",\n".join(json.dumps(one, separators=(",", ":")) for one in value) + "\n]"
            parts.append(f'"{name}": {value}')
        else:
            parts.append(f'"{name}": {json.dumps(value)}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def commit(code: Sequence[str] = CODE) -> str:
    """The checkout's commit, marked ``-dirty`` where the work tree differs from it in what a figure depends on."""
    found = _git("rev-parse", "HEAD").stdout.strip()
    if not found:
        return "unknown"
    same = _git("diff", "--quiet", "HEAD", "--", *code).returncode == 0
    return found if same else f"{found}-dirty"


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


BEGUN: Mapping[tuple[str, ...], str] = {code: commit(code) for code in (CODE, MEASURED, AUDITED)}
"""The commit that was there when this process began: what is committed while it measures, it does not run."""


def _print(result: BenchmarkResult) -> None:
    table = Table("figure", "value", "unit", "interval", "goal", "met", title=f"{result.name} on {result.machine}")
    for figure in result.figures:
        interval = f"{figure.interval[0]:.4g}–{figure.interval[1]:.4g}" if figure.interval else ""
        met = {True: "yes", False: "NO", None: ""}[figure.met]
        table.add_row(figure.id, f"{figure.value:.4g}", figure.unit, interval, figure.goal or "", met)
    Console().print(table)
