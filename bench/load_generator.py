"""How many requests one core sends on time: ``python -m bench.load_generator [--rounds 5]``.

The null server in C runs on one core, the load generator on another. In each round, one after the other: Locust as it
comes (closed loop, as fast as it can), vegeta, and tuner's generator. The highest open-loop rate is bisected in log
space. A rate is held where every request is answered well and the p99 of schedule delay is within a millisecond, or
within twice that of vegeta at a light rate where this machine is noisier than that. A machine that is disturbed for
seconds would end a bisection anywhere: a rate is refused only by loads whose light successor was on time.

Then one worker and two send the same load to a queue (a server that takes a millisecond a request), in turn.

Schedule delay of both is read off the null server's own log, in the same way: the time at which a request came, less
its time by the constant schedule, less the smallest such difference of the load. It holds the way to the server, too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
from scipy.special import stdtrit

from bench.result import MEASURED, write
from testbed.null_server import BODY, NullServer
from testbed.toolbox import Toolbox
from tuner.engine.protocol import Endpoint, HttpRequest, Ports
from tuner.load.arrivals import Steady
from tuner.load.generator import LocustGenerator
from tuner.load.histogram import decode
from tuner.load.protocol import LoadPlan
from tuner.measurement.benchmark import Against, Figure

__all__ = ["main"]

BYTES = 2048
SECONDS = 2.0
LATE = 0.001
LIGHT = 2000.0
NOISE = 2.0
LOWEST, HIGHEST = 1000.0, 200_000.0
FINENESS = 1.05
TRIES, MOST_TRIES = 2, 10
"""A rate is held where one of so many loads holds it: what disturbs a load is somebody else's. A load that was late
counts only where a light one right after it, by the same tool, was on time; of these there are so many at most."""
SERVICE, UTILISATION = 0.001, 0.7
USERS = 32
WORKERS = 64
"""Of vegeta: without a limit, once late, it opens ever more connections and sends ever less."""
PATH = "/v2/models/m/infer"
PRIORITY = -10
"""Of every process that takes part, where this user may: the one that tuner's workers give themselves. Each is also a
session of its own of that priority, as they are, because Linux may schedule by sessions."""
_PINNED = f"""
import contextlib, os, sys
with contextlib.suppress(PermissionError):
    os.setpriority(os.PRIO_PROCESS, 0, {PRIORITY})
os.setsid()
with contextlib.suppress(OSError), open("/proc/self/autogroup", "w") as file:
    file.write("{PRIORITY}")
os.sched_setaffinity(0, {{int(sys.argv[1])}})
os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True, slots=True)
class Sent:
    """One load at a constant rate. ``delay`` is the p99 of schedule delay in seconds, as the server saw it."""

    tool: str
    rate: float
    came: int
    wanted: int
    delay: float
    user: float = 0.0
    system: float = 0.0
    """Seconds of CPU that the generator used."""
    told: float = 0.0
    """The p99 of schedule delay as the generator itself reports it."""

    def held(self, late: float) -> bool:
        """Whether all came (vegeta rounds their number), and on time."""
        return self.came >= 0.999 * self.wanted - 2 and self.delay <= late


Send = Callable[[float], Sent]


def main() -> int:
    """Measure and write; 1 where the goal is missed."""
    parser = argparse.ArgumentParser(prog="bench.load_generator", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    server, own = sorted(os.sched_getaffinity(0))[:2]
    with LocustGenerator([own], workers=1) as generator, LocustGenerator([own], workers=2) as pair:
        measured = [_round(number, server, own, generator) for number in range(rounds)]
        for one in measured:
            one["workers"] = _workers(server, generator, pair)
    figures = _figures(measured)
    write(
        "load-generator", figures, measured, ["python", "-m", "bench.load_generator", "--rounds", str(rounds)], MEASURED
    )
    return 0 if all(figure.met is not False for figure in figures) else 1


def _round(number: int, server: int, own: int, generator: LocustGenerator) -> dict[str, Any]:
    """Every tool once; who begins changes from round to round."""
    loads: list[Sent] = []

    def ours(rate: float) -> Sent:
        loads.append(_ours(rate, server, generator))
        return loads[-1]

    def vegeta(rate: float) -> Sent:
        loads.append(_vegeta(rate, server, own))
        return loads[-1]

    stock = _stock(server, own)
    late = max(LATE, NOISE * vegeta(LIGHT).delay)
    found = {}
    for send in (ours, vegeta) if number % 2 else (vegeta, ours):
        found[send.__name__] = _highest(send, late)
    again = _stock(server, own)
    at_theirs = {send.__name__: asdict(send(found["vegeta"])) for send in (ours, vegeta)}
    told = {
        "stock": (stock + again) / 2,
        "late": late,
        **found,
        "at": at_theirs,
        "loads": [asdict(one) for one in loads],
    }
    summary = ", ".join(f"{name} {told[name]:,.0f}/s" for name in ("stock", "vegeta", "ours"))
    sys.stderr.write(f"round {number + 1}: {summary} (delay within {late * 1e3:.1f} ms)\n")
    return told


def _workers(server: int, *generators: LocustGenerator) -> list[dict[str, float]]:
    """Percentiles of the latency, in seconds, of the same load by each generator."""
    found = []
    for generator in generators:
        with _null(server, SERVICE) as null:
            plan = _plan(null.port, UTILISATION / SERVICE, "poisson")
            histogram = decode(generator.run(plan).histogram)
        found.append({f"p{percent}": histogram.get_value_at_percentile(percent) / 1e6 for percent in (50, 90, 99)})
    return found


def _plan(port: int, rate: float, arrivals: Steady) -> LoadPlan:
    return LoadPlan(
        endpoint=Endpoint(host="127.0.0.1", ports=Ports(http=port, grpc=1, metrics=1)),
        requests=(HttpRequest(path=PATH, body=b"x" * BYTES, answer_bytes=BODY),),
        arrivals=arrivals,
        rate=rate,
        duration=SECONDS,
        seed=1,
        timeout=5.0,
        bounds=((99.0, 0.05),),
    )


def _highest(send: Send, late: float) -> float:
    """The highest rate that is held, to within ``FINENESS``."""

    def held(rate: float) -> bool:
        late_ones = 0
        for _ in range(MOST_TRIES):
            if send(rate).held(late):
                return True
            late_ones += send(LIGHT).held(late)
            if late_ones == TRIES:
                break
        return False

    low, high = LOWEST, 8 * LOWEST
    while high <= HIGHEST and held(high):
        low, high = high, 2 * high
    while high / low > FINENESS:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if held(middle) else (low, middle)
    return low


def _ours(rate: float, server: int, generator: LocustGenerator) -> Sent:
    with _null(server) as null:
        plan = _plan(null.port, rate, "constant")
        process = psutil.Process(generator.pid)
        before = process.cpu_times()
        result = generator.run(plan)
        after = process.cpu_times()
        return Sent(
            tool="ours",
            rate=rate,
            came=result.answered,
            wanted=plan.planned,
            delay=_delay(null.arrivals(), rate),
            user=after.user - before.user,
            system=after.system - before.system,
            told=decode(result.lateness).get_value_at_percentile(99) / 1e6,
        )


def _vegeta(rate: float, server: int, own: int) -> Sent:
    vegeta = Toolbox().path("vegeta")
    with _null(server) as null, tempfile.TemporaryDirectory(prefix="tuner-bench-") as scratch:
        body = Path(scratch, "body")
        body.write_bytes(b"x" * BYTES)
        whole = round(rate * 1000)
        options = [f"-rate={whole}/1000s", f"-duration={SECONDS}s", f"-body={body}", "-timeout=5s", "-max-body=0"]
        options += [f"-workers={WORKERS}", f"-max-workers={WORKERS}"]
        results = Path(scratch, "results")
        target = f"POST http://127.0.0.1:{null.port}{PATH}\n"
        attack = _pinned(own, [str(vegeta), "attack", *options, f"-output={results}"])
        before = _children()
        subprocess.run(attack, input=target.encode(), check=True)
        after = _children()
        report = subprocess.run([str(vegeta), "report", "-type=json", str(results)], capture_output=True, check=True)
        told = json.loads(report.stdout)
        return Sent(
            tool="vegeta",
            rate=rate,
            came=told["status_codes"].get("200", 0),
            wanted=round(rate * SECONDS),
            delay=_delay(null.arrivals(), rate),
            user=after[0] - before[0],
            system=after[1] - before[1],
        )


def _null(cpu: int, service: float = 0.0) -> NullServer:
    null = NullServer([cpu], service=service)
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, null.pid, PRIORITY)
    with contextlib.suppress(OSError):
        Path(f"/proc/{null.pid}/autogroup").write_text(str(PRIORITY))
    return null


def _children() -> tuple[float, float]:
    used = os.times()
    return used.children_user, used.children_system


def _stock(server: int, own: int) -> float:
    """Requests per second that came, once every user was under way."""
    with _null(server) as null:
        users = ["--users", str(USERS), "--spawn-rate", str(USERS), "--run-time", f"{2 * SECONDS + 1:.0f}s"]
        argv = [
            sys.executable,
            "-P",
            "-m",
            "locust",
            "-f",
            str(Path(__file__).with_name("stock_locust.py")),
            "--headless",
        ]
        host = ["--host", f"http://127.0.0.1:{null.port}", "--only-summary", "--loglevel", "ERROR"]
        environment = {**os.environ, "BODY_BYTES": str(BYTES)}
        pinned = _pinned(own, [*argv, *users, *host])
        subprocess.run(pinned, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        came = null.arrivals()
    steady = came[(came > came[0] + 1.0) & (came < came[-1] - 0.2)]
    return len(steady) / float(steady[-1] - steady[0])


def _pinned(cpu: int, argv: Sequence[str]) -> list[str]:
    return [sys.executable, "-P", "-S", "-c", _PINNED, str(cpu), *argv]


def _delay(came: npt.NDArray[np.float64], rate: float) -> float:
    """The p99 of the delay against a constant schedule; infinite where nothing came."""
    if not len(came):
        return math.inf
    delay = np.sort(came) - np.arange(len(came)) / rate
    return float(np.percentile(delay - delay.min(), 99))


def _figures(rounds: Sequence[dict[str, Any]]) -> list[Figure]:
    """Each rate, and what is promised: a ratio within each round, its geometric mean over the rounds."""
    figures = []
    for name, words in (("ours", "tuner"), ("vegeta", "vegeta"), ("stock", "stock Locust, flat out")):
        value, interval = _mean([one[name] for one in rounds])
        figures.append(Figure.of(f"rate, {words}", value, "requests/s", interval=interval))
    for name, words in (("stock", "stock Locust"), ("vegeta", "vegeta")):
        value, interval = _mean([one["ours"] / one[name] for one in rounds])
        figures.append(Figure.of(f"tuner ÷ {words}", value, "×", interval=interval))
    goals = [min(2 * one["stock"], one["vegeta"]) for one in rounds]
    value, interval = _mean([one["ours"] / goal for one, goal in zip(rounds, goals, strict=True)])
    against = Against(name="twice stock Locust, or vegeta, whichever is lower", value=1.0)
    figures.append(Figure.of("tuner ÷ goal", value, "×", interval=interval, against=against, goal=">= 1"))
    for name in ("ours", "vegeta"):
        value, interval = _mean([one["at"][name]["delay"] * 1e3 for one in rounds])
        figures.append(Figure.of(f"delay p99 at vegeta's rate, {name}", value, "ms", interval=interval))
    value, _ = _mean([one["late"] * 1e3 for one in rounds])
    figures.append(Figure.of("delay allowed", value, "ms"))
    for percent in ("p50", "p90", "p99"):
        value, interval = _mean([one["workers"][1][percent] / one["workers"][0][percent] for one in rounds])
        figures.append(Figure.of(f"latency {percent}, two workers ÷ one", value, "×", interval=interval))
    return [*figures, *_costs(rounds)]


def _costs(rounds: Sequence[dict[str, Any]]) -> Iterator[Figure]:
    """CPU time of each load at a tool's highest rate: what is left where the machine has other work, too."""
    for name, words in (("ours", "tuner"), ("vegeta", "vegeta")):
        loads = [load for one in rounds for load in one["loads"] if load["tool"] == name and load["rate"] == one[name]]
        value, interval = _mean([1e6 * (load["user"] + load["system"]) / load["came"] for load in loads])
        yield Figure.of(f"CPU a request at its highest rate, {words}", value, "µs", interval=interval)
        share = statistics.mean(load["system"] / (load["user"] + load["system"]) for load in loads)
        yield Figure.of(f"share of it in the kernel, {words}", 100 * share, "%")


def _mean(values: Sequence[float]) -> tuple[float, tuple[float, float] | None]:
    """Geometric mean and its 95 % interval by Student's t on the logarithms; none for a single value."""
    logs = np.log(np.maximum(values, 1e-12))
    if len(logs) < 2:
        return float(values[0]), None
    reach = float(stdtrit(len(logs) - 1, 0.975)) * float(logs.std(ddof=1)) / math.sqrt(len(logs))
    middle = float(logs.mean())
    return math.exp(middle), (math.exp(middle - reach), math.exp(middle + reach))


if __name__ == "__main__":
    sys.exit(main())
