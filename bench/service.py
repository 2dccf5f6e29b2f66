"""What watching costs: ``python -m bench.service`` looks at repositories of up to 10,000 specs, and at 200 of them.

A quiet look is one at a branch that did not move; its cost is what it takes beyond ``git ls-remote``, which is timed
beside it in turn. A found change is counted from the webhook to the campaign in the queue; ``bench.service_push`` goes
on from there to the first trial and the pull request, on a real Gitea. Every run says how busy the machine was
otherwise. Writes ``bench/results/service.json`` and ``docs/service.svg``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from sqlalchemy import func, select

from bench.result import ROOT, write
from bench.service_push import figures_of_pushes, measure_pushes
from tuner.experience.database import sqlite_url
from tuner.measurement.benchmark import Figure
from tuner.repository.mirror import Mirror
from tuner.spec.loading import load_model
from tuner.watch.configuration import Configuration
from tuner.watch.database import Database
from tuner.watch.database_lease import DatabaseLease
from tuner.watch.job import Ended, Job
from tuner.watch.looking import look
from tuner.watch.service import Service, Wiring
from tuner.watch.tables import campaigns

__all__ = ["main"]

SIZES = (10, 100, 1_000, 10_000)
REPOSITORIES = 200
SPECS_EACH = 10
QUIET = 21
CHANGES = 9
SPEC = (ROOT / "configs" / "text-orientation" / "tuning.yaml").read_text(encoding="utf-8")
_LIMIT = 900.0


def main() -> int:
    """Measure and write; 1 where a goal is missed."""
    with tempfile.TemporaryDirectory(prefix="tuner-bench-") as scratch:
        folder = Path(scratch)
        runs: list[dict[str, Any]] = []
        for size in SIZES:
            runs.append(_alone(folder / f"size-{size}", size))
            sys.stderr.write(f"{runs[-1]}\n")
        together = _together(folder / "together")
        sys.stderr.write(f"{together}\n")
    pushes = measure_pushes()
    largest = runs[-1]
    figures = [
        Figure.of(f"quiet look beyond ls-remote, {largest['specs']:,} specs", largest["quiet_ms"], "ms", goal="<= 50"),
        Figure.of("quiet look, ls-remote included", largest["look_ms"], "ms"),
        Figure.of("look that finds one changed spec", largest["changed_ms"] / 1000, "s", goal="<= 1"),
        Figure.of("first look, every spec read", largest["first_s"], "s"),
        Figure.of("first look, its own processor time", largest["first_cpu_s"], "s"),
        Figure.of(
            f"webhook to queue, {largest['specs']:,} specs beside {REPOSITORIES} repositories",
            together["found_s"],
            "s",
            goal="<= 1",
        ),
        Figure.of(f"a round of {REPOSITORIES + 1} quiet repositories", together["round_s"], "s"),
        Figure.of("ls-remote of the same, one after the other", together["ls_remote_s"], "s"),
        Figure.of("peak memory of the whole process", together["memory_mib"], "MiB", goal="<= 500"),
        Figure.of("memory before the service started", together["before_mib"], "MiB"),
        *figures_of_pushes(pushes),
    ]
    write("service", figures, [*runs, together, *pushes], ["make", "bench-service"])
    _plot(runs)
    return 0 if all(figure.met is not False for figure in figures) else 1


def _alone(folder: Path, size: int) -> dict[str, Any]:
    """One repository of that many specs, looked at as the service does."""
    origin = _origin(folder / "origin.git", size)
    mirror = Mirror.open(str(origin), folder / "mirror.git", local=True)
    began, worked = time.perf_counter(), time.process_time()
    first = look(mirror, "", dict)
    first_seconds, first_cpu = time.perf_counter() - began, time.process_time() - worked
    if first is None or len(first.specs) != size:
        raise RuntimeError("the first look did not see every spec")
    known = {spec.path: spec.blob for spec in first.specs}
    asked, looked = [], []
    for _ in range(QUIET):
        asked.append(_timed(lambda: _ls_remote(origin)))
        looked.append(_timed(lambda: look(mirror, first.revision, lambda: known)))
    changed, revision = [], first.revision
    for number in range(CHANGES):
        _commit(origin, {_path(number % size): _spec(number % size, seed=number + 1)})
        began = time.perf_counter()
        seen = look(mirror, revision, lambda: known)
        changed.append(time.perf_counter() - began)
        if seen is None or len(seen.specs) != 1:
            raise RuntimeError("the change was not found")
        revision = seen.revision
    return {
        "specs": size,
        "load_average": round(os.getloadavg()[0], 1),
        "first_s": round(first_seconds, 3),
        "first_cpu_s": round(first_cpu, 3),
        "ls_remote_ms": round(median(asked) * 1000, 2),
        "look_ms": round(median(looked) * 1000, 2),
        "quiet_ms": round(max(0.0, median(looked) - median(asked)) * 1000, 2),
        "changed_ms": round(median(changed) * 1000, 2),
        "changed_worst_ms": round(max(changed) * 1000, 2),
    }


def _together(folder: Path) -> dict[str, Any]:
    """The whole service over many repositories, of which one is large."""
    largest = _origin(folder / "large.git", SIZES[-1])
    urls = {"large": largest} | {f"r{n}": _origin(folder / f"r{n}.git", SPECS_EACH) for n in range(REPOSITORIES)}
    settings = _configuration(urls)
    database = Database.open(sqlite_url(folder / "state" / "state.db"))
    mirrors = folder / "mirrors"
    before = psutil.Process().memory_info().rss
    service = Service(
        Wiring(
            settings,
            database,
            DatabaseLease(database, "tuner"),
            _Holding(),
            lambda watched: Mirror.open(watched.url, mirrors / watched.name, local=True),
            folder / "state",
            "bench",
        )
    )
    with _Peak() as peak, _running(service):
        total = SIZES[-1] + REPOSITORIES * SPECS_EACH
        _until(lambda: _rows(database) == total)
        found = []
        for number in range(CHANGES):
            _commit(largest, {_path(number): _spec(number, seed=number + 1)})
            began = time.perf_counter()
            service.bell.ring("large")
            _until(lambda count=number: _rows(database) == total + count + 1)  # type: ignore[misc]
            found.append(time.perf_counter() - began)
        looks = _quiet(service)
        began = time.perf_counter()
        service.bell.ring(*urls)
        _until(lambda: _quiet(service) >= looks + len(urls))
        round_seconds = time.perf_counter() - began
    database.close()
    asked = sum(_timed(lambda place=origin: _ls_remote(place)) for origin in urls.values())  # type: ignore[misc]
    return {
        "repositories": len(urls),
        "load_average": round(os.getloadavg()[0], 1),
        "specs": total,
        "found_s": round(median(found), 3),
        "found_worst_s": round(max(found), 3),
        "round_s": round(round_seconds, 3),
        "ls_remote_s": round(asked, 3),
        "before_mib": round(before / 2**20, 1),
        "memory_mib": round(peak.bytes / 2**20, 1),
    }


def _configuration(urls: Mapping[str, Path]) -> Configuration:
    lines = ["apiVersion: tuner/v1alpha1", "kind: WatchConfiguration", "repositories:"]
    lines += [f"  - {{ name: {name}, url: {url} }}" for name, url in urls.items()]
    lines += ["polling: { interval: 1h, jitter: 0% }", "metrics: 127.0.0.1:0"]
    return load_model("\n".join(lines).encode(), "tuner.yaml", Configuration)[0]


@dataclass
class _Held:
    """A campaign that goes on until it is stopped: what is measured here is the watching."""

    stopped: bool = False

    def beat(self) -> None: ...

    def interrupt(self) -> None:
        self.stopped = True

    def kill(self) -> None:
        self.stopped = True

    def ended(self) -> Ended | None:
        return Ended("stopped") if self.stopped else None


class _Holding:
    """Starts campaigns that wait."""

    def start(self, job: Job) -> _Held:
        del job
        return _Held()


@contextmanager
def _running(service: Service) -> Iterator[None]:
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        yield
    finally:
        service.stop()
        thread.join()


@dataclass
class _Peak:
    """The largest resident size of this process while it is open, every 50 ms."""

    bytes: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> _Peak:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        process = psutil.Process()
        while not self._stop.wait(0.05):
            self.bytes = max(self.bytes, process.memory_info().rss)


def _rows(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(campaigns)).scalar_one())


def _quiet(service: Service) -> float:
    return service.metrics.registry.get_sample_value("tuner_looks_total", {"outcome": "quiet"}) or 0.0


def _until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _LIMIT
    while not what():
        if time.monotonic() > deadline:
            raise TimeoutError("the service did not get there")
        threading.Event().wait(0.01)


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _path(number: int) -> str:
    return f"services/{number // 100:03d}/s{number:05d}/tuning.yaml"


def _spec(number: int, seed: int = 0) -> bytes:
    named = SPEC.replace("name: text-orientation", f"name: s{number:05d}", 1)
    return f"{named}\n# revision {seed}\n".encode()


def _origin(folder: Path, size: int) -> Path:
    folder.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(folder)], check=True)
    _commit(folder, {_path(number): _spec(number) for number in range(size)})
    return folder


def _commit(folder: Path, files: Mapping[str, bytes]) -> None:
    """One commit on ``main``, as somebody else would push it."""
    there = subprocess.run(["git", "-C", str(folder), "rev-parse", "-q", "--verify", "main"], capture_output=True)
    lines = [b"commit refs/heads/main\ncommitter A <a@example.com> %d +0000\ndata 6\nchange\n" % int(time.time())]
    if there.returncode == 0:
        lines.append(b"from refs/heads/main^0\n")
    lines += [b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(raw), raw) for path, raw in files.items()]
    program = ["git", "-C", str(folder), "fast-import", "--quiet"]
    subprocess.run(program, input=b"".join(lines), check=True, capture_output=True)


def _ls_remote(folder: Path) -> None:
    subprocess.run(["git", "ls-remote", str(folder), "HEAD"], check=True, capture_output=True)


def _plot(runs: Sequence[Mapping[str, Any]]) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "tuner"
    from matplotlib import pyplot

    sizes = [run["specs"] for run in runs]
    figure, axes = pyplot.subplots(figsize=(6.4, 3.6), layout="constrained")
    for key, label in (
        ("changed_ms", "one spec changed"),
        ("look_ms", "nothing changed"),
        ("ls_remote_ms", "git ls-remote alone"),
    ):
        axes.plot(sizes, [run[key] for run in runs], marker="o", label=label)
    axes.set(xscale="log", yscale="log", xlabel="specs in the repository", ylabel="milliseconds a look")
    axes.legend(frameon=False)
    figure.savefig(ROOT / "docs" / "service.svg", metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(main())
