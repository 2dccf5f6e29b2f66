"""Services that are killed: ``python -m bench.crash [--kills 500] [--lanes 4] [--seed 1]`` writes ``crash.json``.

Each campaign is a real one: ``tuner watch`` on a repository of a real Gitea, the simulator under load, until the pull
request is open. Half a dozen to twenty times on its way something of it gets SIGKILL at a random instant; then the
service is started again. A few campaigns more are killed once at each point where tuner has an effect outside
(``bench.crash_point``). Resumable: a campaign that was judged is kept, with the commit that it was of; one that was not
as it should be is made again with its seed, and both stay in the file.
"""

from __future__ import annotations

import argparse
import json
import queue
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import platformdirs

from bench.crash_check import violations
from bench.crash_place import make_place
from bench.crash_point import armed, reached
from bench.crash_service import KILLS, Watcher
from bench.result import BEGUN, CODE, write
from testbed.gitea import gitea_server
from tests.pull_request.gitea_host import Town
from tuner.measurement.benchmark import Figure

__all__ = ["at_random", "at_the_points", "main", "settled"]

MOST = 25
"""Kills of one campaign; then it is left in peace."""
LONGEST = 900.0
"""Seconds that a campaign with all its kills may take."""
SHARES = 8
"""Campaigns over which the points are spread."""
_QUIET = 5.0

Run = dict[str, Any]


def main() -> int:
    """Kill until the count is reached and every point was died at; 1 where anything was not as it should be."""
    parser = argparse.ArgumentParser(prog="bench.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--lanes", type=int, default=4, help="campaigns at once")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for what is killed (default: a temporary one)")
    given = parser.parse_args()
    store = platformdirs.user_cache_path("tuner") / f"crash-{given.seed}.jsonl"
    runs = [json.loads(line) for line in store.read_text().splitlines()] if store.exists() else []
    with tempfile.TemporaryDirectory(prefix="tuner-crash-") as scratch, gitea_server() as gitea:
        town, folder = Town.on(gitea), given.keep or Path(scratch)
        for run in _in_lanes(town, folder, runs, given):
            runs.append(run)
            store.parent.mkdir(parents=True, exist_ok=True)
            with store.open("a") as file:
                file.write(f"{json.dumps(run)}\n")
            sys.stderr.write(f"{sum(each['kills'] for each in runs)} kills, {len(runs)} campaigns: {run}\n")
    _write(runs, given.kills)
    if _open(runs):
        return 1
    store.unlink(missing_ok=True)
    return 0


def at_random(town: Town, root: Path, seed: str, most: int = MOST) -> Run:
    """One campaign, killed at random instants until it ends; what came of it."""
    watcher, source = Watcher(make_place(town, root)), Random(seed)  # noqa: S311 - instants, no secrets
    began = time.monotonic()
    with watcher.attended():
        while not watcher.ended() and watcher.kills.total() < most and time.monotonic() - began < LONGEST:
            watcher.kill_at_random(source)
        wrong = settled(watcher, began)
        wrong = wrong or violations(watcher)
    return _run("random", seed, dict(watcher.kills), watcher, began, wrong)


def at_the_points(town: Town, root: Path, share: int, shares: int = SHARES) -> Run:
    """One campaign that dies once at each point of its share; what came of it."""
    points = root / "points"
    watcher = Watcher(make_place(town, root), armed(points, share, shares))
    began = time.monotonic()
    with watcher.attended():
        wrong = settled(watcher, began)
        wrong = wrong or violations(watcher)
    names = reached(points)
    run = _run("points", f"{share}/{shares}", {"point": len(names)}, watcher, began, wrong)
    return {**run, "points": list(names)}


def settled(watcher: Watcher, began: float) -> list[str]:
    """Start it again until the campaign has ended and the service drains; what keeps it from that."""
    while time.monotonic() - began < LONGEST:
        if not watcher.alive:
            watcher.begin()
        watcher.watch(_QUIET)
        watcher.place.hasten()
        if watcher.ended() and watcher.stays(_QUIET) and watcher.drain() == 0:
            return []
    return [f"did not end in {LONGEST:g} s: {watcher.place.rows()}"]


def _run(kind: str, seed: str, kills: dict[str, int], watcher: Watcher, began: float, wrong: Sequence[str]) -> Run:
    return {
        "kind": kind,
        "seed": seed,
        "kills": sum(kills.values()),
        "by": kills,
        "starts": watcher.starts,
        "seconds": round(time.monotonic() - began, 1),
        "commit": BEGUN[CODE],
        "violations": list(wrong),
    }


def _in_lanes(town: Town, folder: Path, done: Sequence[Run], given: argparse.Namespace) -> Iterator[Run]:
    """What is still to be done, several campaigns at once, as each ends."""
    left = [("points", str(share)) for share in sorted(set(range(SHARES)) - _died_at(done))]
    left += [(run["kind"], run["seed"]) for run in _open(done) if run["kind"] == "random"]
    counted = [sum(run["kills"] for run in done if run["kind"] == "random")]
    ended: queue.SimpleQueue[Run | BaseException | None] = queue.SimpleQueue()
    lock = threading.Lock()
    begun = {run["seed"] for run in done if run["kind"] == "random"}
    numbers = (number for number in range(10_000) if f"{given.seed}-{number}" not in begun)

    def next_one() -> tuple[str, str] | None:
        with lock:
            if left:
                return left.pop(0)
            return None if counted[0] >= given.kills else ("random", f"{given.seed}-{next(numbers)}")

    def work() -> None:
        try:
            while (chosen := next_one()) is not None:
                kind, seed = chosen
                root = folder / f"{kind}-{seed}-{time.monotonic_ns()}"
                run = at_the_points(town, root, int(seed)) if kind == "points" else at_random(town, root, seed)
                with lock:
                    counted[0] += run["kills"] if kind == "random" else 0
                ended.put(run)
        except BaseException as error:  # noqa: BLE001 - it is raised again where the lanes are awaited
            ended.put(error)
        ended.put(None)

    lanes = [threading.Thread(target=work, name=f"lane {number}", daemon=True) for number in range(given.lanes)]
    for lane in lanes:
        lane.start()
    for _ in lanes:
        while (run := ended.get()) is not None:
            if isinstance(run, BaseException):
                raise run
            yield run


def _open(runs: Sequence[Run]) -> list[Run]:
    """Runs in which something was wrong, and that were not made again since without it."""
    last = {(run["kind"], run["seed"]): run for run in runs}
    whole = _died_at(runs)
    return [
        run for run in last.values() if run["violations"] and not (run["kind"] == "points" and _shares(run) <= whole)
    ]


def _died_at(runs: Sequence[Run]) -> set[int]:
    """The shares of the points that a campaign went through as it should."""
    return {share for run in runs if run["kind"] == "points" and not run["violations"] for share in _shares(run)}


def _shares(run: Run) -> set[int]:
    """The shares that a campaign went through, of as many as there are now."""
    share, of = map(int, run["seed"].split("/"))
    return {number for number in range(SHARES) if number % of == share}


def _write(runs: Sequence[Run], wanted: int) -> None:
    random = [run for run in runs if run["kind"] == "random"]
    points = {point for run in runs for point in run.get("points", ())}
    by = Counter[str]()
    for run in random:
        by.update(run["by"])
    figures = [
        Figure.of("kills at random instants", sum(by.values()), "kills", goal=f">= {wanted}"),
        *(Figure.of(f"of which {what}", by[what], "kills") for what in KILLS),
        Figure.of("points before and after an effect outside, each died at", len(points), "points"),
        Figure.of("campaigns", len(runs), "campaigns"),
        Figure.of("starts of the service", sum(run["starts"] for run in runs), "starts"),
        Figure.of("violations", sum(len(run["violations"]) for run in _open(runs)), "violations", goal="<= 0"),
        Figure.of(
            "violations that were mended since, by the same instants again",
            sum(len(run["violations"]) for run in runs if run not in _open(runs)),
            "violations",
        ),
    ]
    write("crash", figures, runs, ["make", "bench-crash"])


if __name__ == "__main__":
    sys.exit(main())
