"""Everything that is claimed about load and measurement: ``python -m bench.load [--parts …] [--fresh | --gather]``.

Runs the parts one after the other, each in a process of its own with its own result file, and writes their figures
together into ``bench/results/load.json``, each named after its part, with one table. A part's result is used again
where it was measured on this machine and the code is still the same; with ``--gather`` whatever results there are are
put together, each with the commit that measured it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from bench import result
from tuner.measurement.benchmark import BenchmarkResult, Figure

__all__ = ["PARTS", "Part", "gathered", "main", "usable"]


@dataclass(frozen=True, slots=True)
class Part:
    """One benchmark: the module that is run, and the name of the result that it writes."""

    name: str
    result: str

    @property
    def module(self) -> str:
        """Its place in this package."""
        return f"bench.load_{self.name}"

    @property
    def file(self) -> str:
        """Its file among the results."""
        return f"{self.result}.json"


PARTS: Mapping[str, Part] = {
    part.name: part
    for part in (
        Part("simulated", "load-simulated"),
        Part("comparison", "load-comparison"),
        Part("triton", "load-triton"),
        Part("generator", "load-generator"),
    )
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run what has no usable result, gather, write; 1 where a part has no result or a goal is missed."""
    parser = argparse.ArgumentParser(prog="bench.load", description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=tuple(PARTS), default=list(PARTS))
    parser.add_argument("--fresh", action="store_true", help="measure everything again")
    parser.add_argument("--gather", action="store_true", help="measure nothing: put together what there is")
    given = parser.parse_args(argv)
    results: dict[str, BenchmarkResult] = {}
    for name in given.parts:
        found = None if given.fresh else _read(PARTS[name]) if given.gather else usable(PARTS[name])
        if given.gather:
            _tell(f"{name}: measured at {found.commit if found else 'no time'}")
        elif found is not None:
            _tell(f"{name}: measured before with the same code on this machine")
        else:
            found = _run(PARTS[name])
        if found is not None:
            results[name] = found
    missing = [name for name in given.parts if name not in results]
    if missing:
        _tell(f"nothing is written, as {', '.join(missing)} gave no result")
        return 1
    figures, runs = gathered(results)
    result.write(
        "load",
        figures,
        runs,
        ["python", "-m", "bench.load", *(sys.argv[1:] if argv is None else argv)],
        result.MEASURED,
    )
    return 0 if all(figure.met is not False for figure in figures) else 1


def gathered(results: Mapping[str, BenchmarkResult]) -> tuple[list[Figure], list[dict[str, object]]]:
    """All figures, each named after its part, and of each part where its details are."""
    figures = [
        figure.model_copy(update={"id": f"{name}: {figure.id}"})
        for name, found in results.items()
        for figure in found.figures
    ]
    runs: list[dict[str, object]] = [
        {"part": name, "command": found.command, "commit": found.commit, "details": PARTS[name].file}
        for name, found in results.items()
    ]
    return figures, runs


def usable(part: Part) -> BenchmarkResult | None:
    """The part's result, where this machine measured it with the code as it is now; ``None`` otherwise."""
    found = _read(part)
    if found is None or found.machine != result.machine() or not _same_code(found.commit):
        return None
    return found


def _read(part: Part) -> BenchmarkResult | None:
    try:
        return BenchmarkResult.model_validate_json((result.RESULTS / part.file).read_bytes())
    except (OSError, ValidationError):
        return None


def _same_code(commit: str) -> bool:
    """Is what the figures depend on the same in the work tree as in the commit? No where git cannot tell."""
    if commit.endswith("-dirty") or commit == "unknown":
        return False
    compared = ["git", "diff", "--quiet", commit, "--", *result.MEASURED]
    return subprocess.run(compared, cwd=result.ROOT, capture_output=True, check=False).returncode == 0


def _run(part: Part) -> BenchmarkResult | None:
    """Run the part; its result, ``None`` where it wrote none. Its own table is left out, what it tells is not."""
    path = result.RESULTS / part.file
    before = path.stat().st_mtime_ns if path.exists() else None
    _tell(f"{part.name}: {part.module} …")
    began = time.monotonic()
    command = [sys.executable, "-m", part.module]
    done = subprocess.run(command, cwd=result.ROOT, stdout=subprocess.DEVNULL, check=False)
    _tell(f"{part.name}: {time.monotonic() - began:.0f} s, exit {done.returncode}")
    if not path.exists() or path.stat().st_mtime_ns == before:
        return None
    return _read(part)


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
