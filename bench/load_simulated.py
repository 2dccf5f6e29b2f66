"""Measured capacities of simulated servers against the truth: ours, perf_analyzer's rule, a fixed-step sweep.

``python -m bench.load_simulated [--seeds 2000] [--peers 300] [--jobs 2] [--servers NAME …] [--all] [--quick]`` writes
``bench/results/load-simulated.json`` and prints the table. Resumable: rows are kept as they come and belong to the
code that measured them. The peers get fewer seeds: their figures are compared by ratios of means, which that many
tell well enough (the intervals are in the result).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path

import platformdirs
from rich.console import Console
from rich.table import Table
from scipy.special import betaincinv

from bench.load_servers import CASES, FURTHER
from bench.load_stall import stalled
from bench.load_trials import METHODS, Method, Row, Summary, coverage_limit, row_of, summary
from bench.result import MEASURED, write
from tuner.measurement.benchmark import Against, Figure

__all__ = ["main"]

ROOT = Path(__file__).resolve().parent.parent
CHUNK = {"ours": 10, "perf_analyzer": 5, "sweep": 20}
Truths = dict[str, float]
Rows = dict[tuple[str, Method], dict[int, Row]]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what is missing, sum up, write; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(prog="bench.load_simulated", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--peers", type=int, default=300, help="seeds of each peer's method")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--servers", nargs="*", choices=[*CASES, *FURTHER], help="these only")
    parser.add_argument("--all", action="store_true", help="the further servers as well")
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=list(METHODS))
    parser.add_argument("--dry", action="store_true", help="write no result")
    given = parser.parse_args(argv)
    servers = given.servers or [*CASES, *(FURTHER if given.all else ())]
    truths = _truths(servers, given.jobs)
    wanted = {method: given.seeds if method == "ours" else min(given.peers, given.seeds) for method in given.methods}
    rows = _rows(servers, wanted, truths, given.jobs)
    table, figures = _summed(servers, wanted, rows, truths)
    figures += _stall()
    Console(width=170).print(table)
    if not given.dry:
        runs = [
            {"server": name, "true": truths[name], **kept} for name in servers for kept in _kept(name, rows, truths)
        ]
        write(
            "load-simulated", figures, runs, ["python", "-m", "bench.load_simulated", *(argv or sys.argv[1:])], MEASURED
        )
    return 0 if all(figure.met is not False for figure in figures) else 1


def _rows(servers: Sequence[str], wanted: dict[Method, int], truths: Truths, jobs: int) -> Rows:
    """All rows that are wanted, those that earlier runs of the same code have kept among them."""
    stores = {method: _store(method) for method in wanted}
    rows: Rows = {}
    for store in set(stores.values()):
        rows.update(_read(store))
    tasks = [
        (server, method, chunk)
        for method, count in wanted.items()
        for server in servers
        for chunk in _chunks(sorted(set(range(count)) - set(rows.get((server, method), ()))), CHUNK[method])
    ]
    began, done = time.monotonic(), 0
    with ProcessPoolExecutor(jobs) as pool:
        running = [pool.submit(_measured, server, method, chunk, truths[server]) for server, method, chunk in tasks]
        for future in as_completed(running):
            found = future.result()
            for row in found:
                rows.setdefault((row.server, row.method), {})[row.seed] = row
            with stores[found[0].method].open("a", encoding="utf-8") as kept:
                kept.write("".join(json.dumps(asdict(row)) + "\n" for row in found))
            done += 1
            _progress(done, len(running), time.monotonic() - began)
    return rows


def _kept_in() -> Path:
    folder = platformdirs.user_cache_path("tuner") / "bench-load"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _store(method: Method) -> Path:
    """Where the method's rows are kept; a peer's do not depend on how the product measures."""
    bench = [f"bench/load_{name}.py" for name in ("servers", "trials")]
    simulated = [f"tuner/load/{name}.py" for name in ("queues", "simulated")]
    if method == "ours":
        counted = [f"tuner/load/{name}.py" for name in ("arrivals", "histogram", "tail", "tally")]
        return _kept_in() / f"ours-{_digest(*simulated, *counted, 'tuner/measurement', *bench)}.jsonl"
    return _kept_in() / f"peers-{_digest(*simulated, *bench, 'bench/load_peers.py', 'bench/load_truth.py')}.jsonl"


def _measured(server: str, method: Method, seeds: Sequence[int], true: float) -> list[Row]:
    return [row_of(server, method, seed, true) for seed in seeds]


def _chunks(seeds: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for begin in range(0, len(seeds), size):
        yield seeds[begin : begin + size]


def _read(store: Path) -> Rows:
    """The rows that are kept; a last one that a killed run left half-written is dropped from the file."""
    rows: Rows = {}
    kept = store.read_text(encoding="utf-8") if store.exists() else ""
    whole = kept[: kept.rfind("\n") + 1]
    if whole != kept:
        store.write_text(whole, encoding="utf-8")
    for line in whole.splitlines():
        row = Row(**json.loads(line))
        rows.setdefault((row.server, row.method), {})[row.seed] = row
    return rows


def _truths(servers: Sequence[str], jobs: int) -> Truths:
    """The true capacities; each is kept, as those without a formula take up to minutes to find."""
    code = _digest("tuner/load/queues.py", "tuner/load/simulated.py", "bench/load_truth.py")
    store = _kept_in() / f"truths-{code}.json"
    kept: dict[str, float] = json.loads(store.read_text()) if store.exists() else {}
    cases = CASES | FURTHER
    missing = [server for server in servers if repr(cases[server]) not in kept]
    with ProcessPoolExecutor(jobs) as pool:
        for server, rate in zip(missing, pool.map(_true, missing), strict=True):
            kept[repr(cases[server])] = rate
            store.write_text(json.dumps(kept, indent=1))
            print(f"true capacity of {server}: {rate:.1f}/s", file=sys.stderr, flush=True)  # noqa: T201
    return {server: kept[repr(cases[server])] for server in servers}


def _true(server: str) -> float:
    return (CASES | FURTHER)[server].truth().rate


def _digest(*paths: str) -> str:
    """Of the code in these files and folders."""
    whole = hashlib.sha256()
    for path in paths:
        files = sorted((ROOT / path).rglob("*.py")) if (ROOT / path).is_dir() else [ROOT / path]
        for file in files:
            whole.update(file.read_bytes())
    return whole.hexdigest()[:16]


def _progress(done: int, whole: int, seconds: float) -> None:
    if done == whole or sys.stderr.isatty() or done % max(whole // 20, 1) == 0:
        left = seconds / done * (whole - done)
        end = "\n" if done == whole or not sys.stderr.isatty() else "\r"
        print(f"{done} of {whole} parts, {seconds:.0f} s, {left:.0f} s to go   ", end=end, file=sys.stderr, flush=True)  # noqa: T201


def _summed(
    servers: Sequence[str], wanted: dict[Method, int], rows: Rows, truths: Truths
) -> tuple[Table, list[Figure]]:
    columns = ("server", "true", "method", "runs", "found", "error", "bias", "covered", "at least", "false passes",
               "width", "requests", "seconds")  # fmt: skip
    table = Table(*columns, title="capacity of simulated servers (errors of the log)")
    figures: list[Figure] = []
    for server in [*servers, "all servers"]:
        mine = servers if server == "all servers" else [server]
        found = {
            method: summary([rows[name, method][seed] for name in mine for seed in range(count)], truths)
            for method, count in wanted.items()
        }
        for method, told in found.items():
            table.add_row(*_cells(server, truths.get(server), method, told))
        table.add_section()
        if "ours" in found:
            figures += _figures(server, found)
    return table, figures


def _cells(server: str, true: float | None, method: Method, told: Summary) -> list[str]:
    ours = method == "ours"
    return [
        server,
        f"{true:.1f}" if true else "",
        method,
        str(told.runs),
        f"{told.found / told.runs:.1%}",
        f"{told.error:.2%}" + (f" ({told.middle:.2%})" if told.middle else ""),
        f"{told.bias:+.2%}",
        f"{told.covered / told.runs:.2%}" if ours else "",
        f"{coverage_limit(told.covered, told.runs):.2%}" if ours else "",
        f"{told.false_passes / told.runs:.1%}",
        f"{told.width:.1%}" if ours else "",
        f"{told.requests:.0f}",
        f"{told.seconds:.1f}",
    ]


def _figures(server: str, found: dict[Method, Summary]) -> list[Figure]:
    ours = found["ours"]
    limit, share = coverage_limit(ours.covered, ours.runs), ours.false_passes / ours.runs
    upper = 1.0 if share == 1 else float(betaincinv(ours.false_passes + 1, ours.runs - ours.false_passes, 0.95))
    covered = (100 * limit, 100.0)
    figures = [
        Figure.of(f"coverage, {server}", 100 * ours.covered / ours.runs, "%", interval=covered),
        Figure.of(f"coverage lower limit, {server}", 100 * limit, "%", goal=">= 98.5"),
        Figure.of(f"false passes, {server}", 100 * share, "%", interval=(0.0, 100 * upper), goal="<= 1"),
        Figure.of(f"found, {server}", 100 * ours.found / ours.runs, "%"),
        Figure.of(f"error, {server}", 100 * ours.error, "%", interval=_percent(ours.error_interval)),
        Figure.of(f"bias, {server}", 100 * ours.bias, "%"),
        Figure.of(f"interval width, {server}", 100 * ours.width, "%"),
        Figure.of(f"requests, {server}", ours.requests, "requests"),
        Figure.of(f"seconds, {server}", ours.seconds, "s"),
    ]
    for method, told in found.items():
        if method != "ours":
            figures += _against(server, method, ours, told)
    return figures


def _against(server: str, method: Method, ours: Summary, peer: Summary) -> list[Figure]:
    """The peer's error is that of its answer, or of the middle of its last bracket where that is better."""
    error, (low, high) = min(peer.error, peer.middle or math.inf), peer.error_interval
    shrunk = error / peer.error
    between = (ours.error_interval[0] / (shrunk * high), ours.error_interval[1] / (shrunk * low))
    goals = ("<= 0.2", "<= 1") if method == "perf_analyzer" else (None, None)
    return [
        Figure.of(
            f"time ratio to {method}, {server}", ours.seconds / peer.seconds, "×",
            against=Against(name=f"{method}, seconds", value=peer.seconds), goal=goals[0],
        ),
        Figure.of(
            f"error ratio to {method}, {server}", ours.error / error, "×", interval=between,
            against=Against(name=f"{method}, error in %", value=100 * error), goal=goals[1],
        ),
        Figure.of(f"request ratio to {method}, {server}", ours.requests / peer.requests, "×"),
    ]  # fmt: skip


def _stall() -> list[Figure]:
    """A stall of 2 s in 30 s: the percentiles of the open loop, against those of a closed one."""
    seen = stalled()
    figures = [
        Figure.of(
            f"{name} where the server stalls for 2 s", 1000 * seconds, "ms",
            against=Against(name=f"closed loop's {name}, ms", value=1000 * seen.closed_loop[name]),
            goal=">= 1000" if name == "p99" else None,
        )
        for name, seconds in seen.open_loop.items()
    ]  # fmt: skip
    return [*figures, Figure.of("requests sent where the server stalls", seen.open_requests, "requests",
                                against=Against(name="closed loop's", value=seen.closed_requests))]  # fmt: skip


def _percent(interval: tuple[float, float]) -> tuple[float, float]:
    return 100 * interval[0], 100 * interval[1]


def _kept(server: str, rows: Rows, truths: Truths) -> Iterator[dict[str, object]]:
    """What the result keeps of a server's runs: one entry a method."""
    for method in METHODS:
        if (server, method) in rows:
            yield {"method": method, **asdict(summary(list(rows[server, method].values()), truths))}


if __name__ == "__main__":
    sys.exit(main())
