"""What a decision costs, in this process and by an OPA server: ``python -m bench.decision`` writes ``decision.json``.

A decision is what a campaign asks for: from the typed input to the typed verdict. The inputs are allowed ones with
GPUs, a quota of twenty boards and resources, and waivers. Both engines take turns, so that a disturbance of the machine
meets both. Times are the wall clock's; for the engine in this process the processor's own time stands beside it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from bench.result import CODE, write
from testbed.toolbox import Toolbox
from tests.policy.conftest import MANIFEST, WAY_BACK, side, workload
from tuner.measurement.benchmark import Against, Figure
from tuner.measurement.model import Interval
from tuner.policy.bundle import PolicyBundle
from tuner.policy.embedded import EmbeddedEngine
from tuner.policy.model import PolicyDocument, PolicyEngine, PolicyInput
from tuner.policy.point import AdmissionInput, Moment, RolloutInput, RolloutStep
from tuner.policy.quota import QuotaEntry
from tuner.policy.server import OpaServer
from tuner.policy.waiver import Waiver

__all__ = ["INPUTS", "interval_of", "main"]

_DAY = "2026-03-02"
_SLICE, _BOARD = "nvidia.com/mig-1g.10gb", "NVIDIA-H100-80GB-HBM3"
_GOALS = {"embedded": 1.0, "opa": 5.0}
"""Milliseconds, 99th percentile."""
_QUOTA = tuple(
    QuotaEntry(product=board, resource=resource, limit=40, taken=4)
    for board in (_BOARD, *(f"NVIDIA-A100-{number}" for number in range(4)))
    for resource in (_SLICE, "nvidia.com/mig-2g.20gb", "nvidia.com/mig-3g.40gb", "nvidia.com/gpu")
)
_WAIVERS = tuple(
    Waiver(rule="cost.increase", service=service, reason="until April", approver="lead", expires="2026-03-31")
    for service in ("orientation", "captions", "search")
)
_COMMON: dict[str, Any] = {"service": "orientation", "labels": {"team": "vision"}, "waivers": _WAIVERS}


_RESAMPLES = 1000
_SHOWN = (10, 50, 90, 99, 99.9, 100)


def _sided(capacity: float) -> Any:
    made = side(capacity)
    return made.model_copy(update={"workload": workload(gpus={_SLICE: 1}), "product": _BOARD})


INPUTS: Mapping[str, PolicyDocument] = {
    "admission": AdmissionInput(
        **_COMMON,
        team="vision",
        engine="triton",
        image=workload().image,
        currency="USD",
        trials=40,
        wall_clock=3600,
        money=0.25,
        gpus={_SLICE: 1},
        time=Moment(date=_DAY, weekday=1, hour=12.5),
    ),
    "recommendation": PolicyInput(
        **_COMMON,
        slo={"p99": 0.05},
        slo_error_rate=0.001,
        currency="USD",
        baseline=_sided(500),
        candidate=_sided(1000),
        compared_load=450.5,
        ratio=Interval(value=2, low=1.8, high=2.2),
        confidence=0.95,
        trials=20,
        blocks=6,
        changes=("instances", "batch"),
        quota=_QUOTA,
        files=(MANIFEST,),
        rollback=WAY_BACK,
        date=_DAY,
    ),
    "rollout": RolloutInput(
        **_COMMON,
        steps=(RolloutStep(weight=10, pause=300, analyses=("latency",)), RolloutStep(weight=50, pause=None)),
        templates=("latency",),
        surge=1,
        gpus={_SLICE: 1},
        product=_BOARD,
        quota=_QUOTA,
        deployed=workload(),
        files=(MANIFEST,),
        rollback=WAY_BACK,
        date=_DAY,
    ),
}
"""One input for each decision point, which the default policies allow."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Decide, time, write; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(prog="bench.decision", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--decisions", type=int, default=100, help="of each point and engine in a round")
    given = parser.parse_args(arguments)
    bundle = PolicyBundle.default()
    with OpaServer(Toolbox().path("opa"), bundle) as server:
        engines: dict[str, PolicyEngine] = {"embedded": EmbeddedEngine(bundle), "opa": server}
        times = _timed(engines, given.rounds, given.decisions)
    figures = [figure for point in INPUTS for figure in _figures(point, times)]
    runs = [
        {"point": point, "engine": engine, "clock": clock, **{f"p{each:g}": _rounded(found, each) for each in _SHOWN}}
        for (point, engine, clock), found in times.items()
    ]
    write("decision", figures, runs, ["make", "bench-decision"], CODE)
    return int(any(figure.met is False for figure in figures))


def _rounded(rounds: Sequence[Sequence[float]], percentile: float) -> float:
    return round(float(np.percentile(rounds, percentile)), 4)


_Times = dict[tuple[str, str, str], list[list[float]]]
"""Milliseconds by point, engine and clock; a list for each round."""


def _timed(engines: Mapping[str, PolicyEngine], rounds: int, decisions: int) -> _Times:
    """RuntimeError where something is denied."""
    times: _Times = {}
    for number in range(rounds + 1):
        for (point, document), (name, engine) in product(INPUTS.items(), engines.items()):
            wall, own = _round(engine, document, decisions)
            if number:  # the first one warms up
                times.setdefault((point, name, "wall"), []).append(wall)
                if name == "embedded":
                    times.setdefault((point, name, "processor"), []).append(own)
    return times


def _round(engine: PolicyEngine, document: PolicyDocument, decisions: int) -> tuple[list[float], list[float]]:
    wall, own = [], []
    for _ in range(decisions):
        began, began_own = time.perf_counter(), time.thread_time()
        verdict = engine.decide(document)
        wall.append((time.perf_counter() - began) * 1e3)
        own.append((time.thread_time() - began_own) * 1e3)
        if not verdict.allow:
            raise RuntimeError(f"{engine.name} denies: {verdict.denials}")
    return wall, own


def _figures(point: str, times: _Times) -> list[Figure]:
    figures = []
    here = _figure(f"{point}, embedded, p50", times[point, "embedded", "wall"], 50)
    for engine, goal in _GOALS.items():
        found = times[point, engine, "wall"]
        against = Against(name=here.id, value=here.value) if engine != "embedded" else None
        figures.append(_figure(f"{point}, {engine}, p50", found, 50, against=against))
        figures.append(_figure(f"{point}, {engine}, p99", found, 99, goal=f"<= {goal:g}"))
    own = times[point, "embedded", "processor"]
    return [*figures, _figure(f"{point}, embedded, p99 of the processor's time", own, 99)]


def _figure(name: str, rounds: Sequence[Sequence[float]], percentile: float, **more: Any) -> Figure:
    found = float(np.percentile(rounds, percentile))
    return Figure.of(name, found, "ms", interval=interval_of(rounds, percentile), **more)


def interval_of(rounds: Sequence[Sequence[float]], percentile: float, confidence: float = 0.95) -> tuple[float, float]:
    """Limits of a percentile of all rounds: the bootstrap over whole rounds, since what disturbs a machine lasts."""
    chance = np.random.default_rng(1)
    table = np.asarray(rounds)
    again = [np.percentile(table[chance.integers(len(table), size=len(table))], percentile) for _ in range(_RESAMPLES)]
    low, high = np.percentile(again, [50 * (1 - confidence), 50 * (1 + confidence)])
    return float(low), float(high)


if __name__ == "__main__":
    sys.exit(main())
