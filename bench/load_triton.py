"""The capacity of one real server, again and again: ours, perf_analyzer's rule, a fixed-step sweep.

``python -m bench.load_triton [--runs 4] [--minutes 25] [--quick]`` starts Triton with the text-orientation model as a
trial does (the server on its core, the load generator on another), leaves it running, and measures it in rounds: four
measurements of ours with one of each peer's rule between them, so that a drift of the machine meets all alike. The
peers are told a range around the capacity (``bench.load_peers.RANGE`` of the mean of ours so far); ours is told
nothing. The rules are those of ``bench.load_peers``, each window one load of the same generator.

``seconds`` are those of load: of ours all, warm-up and what was still open at the end of each load included; of a peer
its windows alone, as a tool that goes on at once would need. ``spread`` is the standard deviation of the logarithm of
the capacity between runs.
"""

from __future__ import annotations

import argparse
import itertools
import math
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.special import chdtri, fdtri, stdtrit

from bench.load_peers import RANGE, WINDOW, Window, climb, halve
from bench.result import MEASURED, write
from testbed import samples
from testbed.serving import install, onnx_model
from tuner.engine.protocol import Endpoint, HttpRequest
from tuner.engine.triton.engine import TritonEngine
from tuner.errors import TunerError
from tuner.load.generator import LocustGenerator
from tuner.load.histogram import decode, recorded
from tuner.load.protocol import LoadGenerator, LoadPlan, LoadResult
from tuner.manifest.manifest import Manifest
from tuner.measurement.benchmark import Against, Figure
from tuner.measurement.course import measure
from tuner.measurement.interference import LOST_SHARE
from tuner.space.assignment import Assignment
from tuner.spec.loading import read_spec
from tuner.spec.model import Search, TuningSpec
from tuner.trial.process import ProcessBackend
from tuner.trial.protocol import Server, TrialFailedError

__all__ = ["Run", "compared", "main"]

ROOT = Path(__file__).resolve().parent.parent
SERVICE = "configs/text-orientation"
CONFIGURATION = {
    "max_batch_size": 8,
    "dynamic_batching": True,
    "max_queue_delay_us": 1000,
    "preferred_batch_size": 4,
    "intra_op_threads": 1,
}
SEARCH = Search.model_validate({"probe": "4s", "precision": "10%"})
Method = Literal["ours", "perf_analyzer", "sweep"]
PEERS: tuple[Method, ...] = ("perf_analyzer", "sweep")
ROUND: tuple[Method, ...] = ("ours", "ours", "perf_analyzer", "ours", "ours", "sweep")
QUICK: tuple[Method, ...] = ("ours", "ours", "perf_analyzer", "ours", "sweep")
ERROR = 0.05
"""Of every interval, both sides together."""


@dataclass(frozen=True, slots=True)
class Run:
    """One measurement: rates in requests per second, ``None`` where the tool does not say; times in seconds.

    ``low`` and ``high`` are our interval, or what held and what did not. ``seconds`` are of load, ``wall`` passed.
    ``foreign`` is the share of the two cores' time that other processes used, ``steal`` what the hypervisor took.
    """

    number: int
    method: Method
    capacity: float | None
    low: float | None
    high: float | None
    requests: int
    seconds: float
    wall: float = 0.0
    reason: str = ""
    foreign: float | None = None
    steal: float | None = None

    @property
    def disturbed(self) -> bool:
        """Whether others took more of its CPU time than a measurement stands."""
        return max(self.foreign or 0.0, self.steal or 0.0) > LOST_SHARE


@dataclass(slots=True)
class _Counted:
    """A generator that counts the requests that another one sends."""

    inner: LoadGenerator
    requests: int = 0

    def run(self, plan: LoadPlan) -> LoadResult:
        result = self.inner.run(plan)
        self.requests += result.scheduled + plan.planned_lead
        return result


@dataclass(slots=True)
class _Bench:
    """A started server and what is sent to it; a ``Target`` for the peers' rules. No two loads share a seed."""

    spec: TuningSpec
    server: Server
    requests: tuple[HttpRequest, ...]
    generator: LoadGenerator
    seeds: Iterator[int]

    @property
    def endpoint(self) -> Endpoint:
        return self.server.endpoint

    @property
    def percentile(self) -> float:
        return self.spec.slo.bounds[0][0]

    @property
    def bound(self) -> float:
        return self.spec.slo.bounds[0][1]

    def windows(self, rate: float) -> Iterator[Window]:
        while True:
            yield self.load(rate, WINDOW)

    def load(self, rate: float, seconds: float) -> Window:
        self.server.check()
        plan = LoadPlan(
            endpoint=self.endpoint,
            requests=self.requests,
            arrivals="poisson",
            rate=rate,
            duration=seconds,
            seed=next(self.seeds),
            timeout=self.spec.load.timeout,
            bounds=((self.percentile, self.bound),),
        )
        result = self.generator.run(plan)
        micros, counts = recorded(decode(result.histogram))
        return Window(result.scheduled, np.repeat(micros / 1e6, counts))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and write; 1 where a goal is missed or the server cannot be measured."""
    parser = argparse.ArgumentParser(prog="bench.load_triton", description=__doc__)
    parser.add_argument("--runs", type=int, default=4, help="rounds: runs of each peer")
    parser.add_argument("--minutes", type=float, default=25, help="no round is begun that would end later")
    parser.add_argument("--quick", action="store_true", help="one short round, as a try; writes no result")
    given = parser.parse_args(argv)
    try:
        with _served() as bench:
            rounds, order = (1, QUICK) if given.quick else (given.runs, ROUND)
            runs = list(_measured(bench, rounds, order, given.minutes))
    except (TunerError, TrialFailedError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    figures = compared(runs)
    command = ["python", "-m", "bench.load_triton", *(sys.argv[1:] if argv is None else argv)]
    if given.quick:
        for figure in figures:
            sys.stdout.write(f"{figure.id}: {figure.value:.4g} {figure.unit} {figure.interval or ''}\n")
    else:
        setup = {"configuration": CONFIGURATION, "search": SEARCH.model_dump(mode="json")}
        write("load-triton", figures, [setup, *map(asdict, runs)], command, MEASURED)
    return 0 if all(figure.met is not False for figure in figures) else 1


@contextmanager
def _served() -> Iterator[_Bench]:
    """Triton with the text-orientation service of this repository, in one configuration, and a load generator."""
    home = install()
    engine = TritonEngine(home)
    spec = read_spec(ROOT / SERVICE / "tuning.yaml").spec
    manifest = Manifest.load(lambda path: (ROOT / path).read_bytes(), f"{SERVICE}/deployment.yaml", "triton")
    workload = engine.apply(Assignment(CONFIGURATION), manifest.workload)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tuner-bench-")))
        model = scratch / "model"
        shutil.copytree(ROOT / SERVICE / "model", model, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copyfile(onnx_model(home), model / "1" / "model.onnx")
        samples.write(scratch / "samples")
        requests = engine.requests(spec.load.payload, scratch / "samples", workload)
        server = ProcessBackend(scratch / "trials").start(engine, workload, model, "bench")
        stack.callback(server.stop)
        generator = stack.enter_context(LocustGenerator(server.generator_cpus))
        yield _Bench(spec, server, requests, generator, itertools.count(10_000_019))


def _measured(bench: _Bench, rounds: int, order: Sequence[Method], minutes: float) -> Iterator[Run]:
    """The runs, one after the other; no round is begun that would end after so many minutes."""
    random = np.random.Generator(np.random.PCG64(7))
    began = time.monotonic()
    ours: list[float] = []
    for number in range(rounds):
        lasted = (time.monotonic() - began) / max(number, 1)
        if number and time.monotonic() - began + lasted > 60 * minutes:
            sys.stderr.write(f"{number} of {rounds} rounds: another one would pass {minutes:g} minutes\n")
            return
        for method in order:
            start = _mean(ours)[0] * float(random.uniform(*RANGE)) if ours else None
            run = _run(bench, len(ours) if method == "ours" else number, method, start)
            if method == "ours" and run.capacity:
                ours.append(run.capacity)
            told = f"{run.capacity:.1f}/s" if run.capacity else run.reason or "none"
            noise = ", on a disturbed machine" if run.disturbed else ""
            sys.stderr.write(
                f"round {number + 1}, {method}: {told} in {run.seconds:.0f} s, {run.requests} requests{noise}\n"
            )
            yield run


def _run(bench: _Bench, number: int, method: Method, start: float | None) -> Run:
    began = time.monotonic()
    with bench.server.observe() as observation:
        if method == "ours":
            run = _ours(bench, number)
        elif start is None:
            run = Run(number, method, None, None, None, 0, 0.0, reason="no range to search: ours found no capacity")
        else:
            found = halve(bench, start, SEARCH.precision) if method == "perf_analyzer" else climb(bench, start)
            run = Run(number, method, found.capacity, found.capacity, found.above, found.requests, found.seconds)
        seen = observation.end().interference
    shares = {} if seen is None else {"foreign": seen.foreign, "steal": seen.steal}
    return Run(**{**asdict(run), **shares, "wall": time.monotonic() - began})


def _ours(bench: _Bench, number: int) -> Run:
    sent = _Counted(bench.generator)
    told = measure(
        sent,
        bench.endpoint,
        bench.requests,
        slo=bench.spec.slo,
        load=bench.spec.load,
        search=SEARCH,
        seed=next(bench.seeds),
        check=bench.server.check,
    )
    if told.capacity is None:
        return Run(number, "ours", None, None, None, sent.requests, told.elapsed, reason=told.doubt or told.reason)
    rate = told.capacity.rate
    return Run(number, "ours", rate.value, rate.low, rate.high, sent.requests, told.elapsed)


def compared(runs: Sequence[Run]) -> list[Figure]:
    """What the runs say together, method by method and ours against each peer."""
    figures = [
        figure for method in ("ours", *PEERS) for figure in _of(method, [run for run in runs if run.method == method])
    ]
    ours = [run for run in runs if run.method == "ours"]
    if held := [(run.low, run.high) for run in ours if run.low and run.high]:
        widths = [100 * math.log(high / low) for low, high in held]
        middle = _mean([run.capacity for run in ours if run.capacity])[0]
        inside = sum(low <= middle <= high for low, high in held)
        figures.append(Figure.of("interval width, ours", float(np.mean(widths)), "%"))
        figures.append(Figure.of("intervals of ours that hold their mean", 100 * inside / len(ours), "%"))
    disturbed = sum(run.disturbed for run in runs)
    figures.append(Figure.of("runs on a disturbed machine", 100 * disturbed / max(len(runs), 1), "%", goal="<= 10"))
    for peer in PEERS:
        figures += _against(peer, ours, [run for run in runs if run.method == peer])
    return figures


def _of(method: Method, runs: Sequence[Run]) -> Iterator[Figure]:
    if not runs:
        return
    found = [run.capacity for run in runs if run.capacity]
    yield Figure.of(f"runs, {method}", len(runs), "runs")
    yield Figure.of(f"runs that found a capacity, {method}", 100 * len(found) / len(runs), "%")
    if found:
        value, interval = _mean(found)
        yield Figure.of(f"capacity, {method}", value, "requests/s", interval=interval)
    if len(found) > 1:
        spread, freedom = _spread(found), len(found) - 1
        low, high = (spread * math.sqrt(freedom / chdtri(freedom, tail)) for tail in (ERROR / 2, 1 - ERROR / 2))
        yield Figure.of(f"spread, {method}", 100 * spread, "%", interval=(100 * low, 100 * high))
    for name, unit, values in (
        ("seconds", "s", [run.seconds for run in runs]),
        ("requests", "requests", [float(run.requests) for run in runs]),
    ):
        yield Figure.of(f"{name}, {method}", float(np.mean(values)), unit, interval=(min(values), max(values)))


def _against(peer: Method, ours: Sequence[Run], theirs: Sequence[Run]) -> Iterator[Figure]:
    """Of the runs that found a capacity: one that finds none may end at once."""
    found = [[run for run in side if run.capacity] for side in (ours, theirs)]
    if not all(found):
        return
    mine, other = (float(np.mean([run.seconds for run in side])) for side in found)
    against = Against(name=f"{peer}, seconds", value=other)
    goal = "<= 0.2" if peer == "perf_analyzer" else None
    yield Figure.of(f"time ratio to {peer}", mine / other, "×", against=against, goal=goal)
    mine, other = (float(np.mean([run.requests for run in side])) for side in found)
    yield Figure.of(f"request ratio to {peer}", mine / other, "×")
    here, there = ([run.capacity for run in side if run.capacity] for side in found)
    if min(len(here), len(there)) < 2:
        return
    ratio, freedoms = _spread(here) / _spread(there), (len(here) - 1, len(there) - 1)
    low, high = (ratio / math.sqrt(fdtri(*freedoms, tail)) for tail in (1 - ERROR / 2, ERROR / 2))
    yield Figure.of(f"spread ratio to {peer}", ratio, "×", interval=(low, high))
    value, interval = _ratio(here, there)
    yield Figure.of(f"capacity ratio to {peer}", value, "×", interval=interval)


def _ratio(here: Sequence[float], there: Sequence[float]) -> tuple[float, tuple[float, float]]:
    """Ratio of the geometric means and its 95 % interval by Welch's t on the logarithms."""
    parts = [_spread(values) ** 2 / len(values) for values in (here, there)]
    whole = sum(parts)
    freedom = whole**2 / sum(part**2 / (len(side) - 1) for part, side in zip(parts, (here, there), strict=True))
    reach = float(stdtrit(freedom, 1 - ERROR / 2)) * math.sqrt(whole)
    middle = float(np.mean(np.log(here)) - np.mean(np.log(there)))
    return math.exp(middle), (math.exp(middle - reach), math.exp(middle + reach))


def _mean(values: Sequence[float]) -> tuple[float, tuple[float, float] | None]:
    """Geometric mean and its 95 % interval by Student's t on the logarithms; none for a single value."""
    middle = float(np.mean(np.log(values)))
    if len(values) < 2:
        return math.exp(middle), None
    reach = float(stdtrit(len(values) - 1, 1 - ERROR / 2)) * _spread(values) / math.sqrt(len(values))
    return math.exp(middle), (math.exp(middle - reach), math.exp(middle + reach))


def _spread(values: Sequence[float]) -> float:
    """Standard deviation of the logarithms."""
    return float(np.log(values).std(ddof=1))


if __name__ == "__main__":
    sys.exit(main())
