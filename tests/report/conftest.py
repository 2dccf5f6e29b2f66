"""Campaigns as they come out of the pipeline: numbers from a small queue model, histograms real, all from one seed."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, Literal

import numpy as np
import pytest

from tuner.engine.workload import Resources, Workload
from tuner.load.histogram import encode_seconds
from tuner.load.protocol import LoadResult
from tuner.measurement.interference import Interference, marks_of
from tuner.measurement.latency import percentiles
from tuner.measurement.model import Capacity, Interval, Judgement, LoadPoint, Measurement
from tuner.measurement.resource_use import ResourceUse
from tuner.policy.model import Denial, PolicyInput, PolicySide, Verdict
from tuner.recommendation.efficiency import Efficiency, efficiency_of
from tuner.recommendation.model import Comparison, Cost, KeepBaseline, Propose, Recommendation, Side
from tuner.report.model import (
    Audit,
    Candidate,
    Change,
    Effort,
    Importance,
    Machine,
    Origin,
    Phase,
    ReportInput,
    Shipped,
    Stability,
)
from tuner.space.assignment import Assignment
from tuner.space.parameter import Domain, Parameter
from tuner.spec.model import Scalar, Target, TuningSpec
from tuner.spec.quantity import Money
from tuner.trial.outcome import Completed, Errored, Failed, FailureKind, Inconclusive, Outcome, Trial
from tuner.value import digest_of

Ending = Literal["propose", "keep", "denied", "denied-then-next"]
Build = Callable[..., ReportInput]
Poison = Callable[..., ReportInput]

IMAGE = f"registry.example/triton@{digest_of('image')}"
HOURLY = Decimal("0.0758")
BASELINE = {"max_batch_size": 8, "instances": 1, "queue_delay": 0, "threads": 1}
SLO = 0.05
DIFF = """\
--- a/configs/text-orientation/deployment.yaml
+++ b/configs/text-orientation/deployment.yaml
@@ -12,7 +12,7 @@
   config.pbtxt: |
     name: "orientation"
-    max_batch_size: 8
+    max_batch_size: 32
     instance_group [{ kind: KIND_CPU
-      count: 1 }]
+      count: 2 }]
"""


def money(value: float | Decimal) -> Money:
    return Money(amount=Decimal(str(value)).quantize(Decimal("0.000001")), currency="USD")


def spec_of(name: str = "text-orientation", **sections: Any) -> TuningSpec:
    raw: dict[str, Any] = {
        "apiVersion": "tuner/v1alpha1",
        "kind": "TuningSpec",
        "metadata": {"name": name, "labels": {"team": "documents"}},
        "service": {
            "engine": "triton",
            "model": "models/orientation",
            "manifest": "deployment.yaml",
            "container": "triton",
        },
        "parameters": {name: {} for name in BASELINE},
        "constraints": [{"expression": "instances * threads <= 4", "reason": "two cores"}],
        "load": {
            "payload": {"samples": "samples", "inputs": [{"name": "x", "datatype": "FP32", "shape": [3, 48, 192]}]},
            "expected": "2000/s",
        },
        "slo": {"latency": {"p50": "20ms", "p99": "50ms"}},
        "prices": {"cpu": "0.0316 USD", "memory": "0.0042 USD"},
    }
    return TuningSpec.model_validate({**raw, **sections})


def parameters() -> tuple[Parameter, ...]:
    values: dict[str, tuple[Scalar, ...]] = {
        "max_batch_size": (1, 2, 4, 8, 16, 32, 64),
        "instances": (1, 2, 3, 4),
        "queue_delay": (0, 500, 1000, 2000, 5000),
        "threads": (1, 2, 4),
    }
    return tuple(
        Parameter(
            name=name,
            domain=Domain(kind="ordinal", values=domain),
            default=BASELINE[name],
            target=Target(engine=name, argument=None, environment=None, manifest=None),
        )
        for name, domain in values.items()
    )


def workload_of(assignment: Mapping[str, Scalar]) -> Workload:
    return Workload(image=IMAGE, files={"config.pbtxt": str(sorted(assignment.items()))})


def true_capacity(assignment: Mapping[str, Scalar]) -> float:
    batch, instances = float(assignment["max_batch_size"]), float(assignment["instances"])
    delay, threads = float(assignment["queue_delay"]), float(assignment["threads"])
    crowd = max(instances * threads / 2, 1.0)
    gain = 1 + 0.33 * math.log2(batch) / (1 + batch / 90)
    return 520 * gain * math.pow(min(instances, 2), 0.4) / math.sqrt(crowd) - delay / 60


def histogram_of(chance: random.Random, median: float, count: int) -> str:
    return encode_seconds(np.array([chance.lognormvariate(math.log(median), 0.5) for _ in range(count)]))


def point(chance: random.Random, rate: float, capacity: float, count: int) -> LoadPoint:
    usage = rate / (capacity * 1.08)
    median = 0.004 / max(1 - usage, 0.02) if usage < 1 else 0.2 * usage
    histogram = histogram_of(chance, median, count)
    latency = percentiles(histogram, (50, 90, 99))
    over = sum(1 for _ in range(count) if chance.random() < max(0.0, usage - 0.9))
    passed = latency["p99"] <= SLO and rate <= capacity
    return LoadPoint(
        rate=rate,
        judgement=Judgement.PASS if passed else Judgement.FAIL,
        reason="p99 within the bound" if passed else "p99 over the bound",
        latency=latency,
        lateness_p99=0.0004,
        result=LoadResult(
            planned=count,
            scheduled=count,
            answered=count - (0 if passed else 30),
            failed={} if passed else {"timeout": 30},
            over=(over, over),
            histogram=histogram,
            lateness=histogram_of(chance, 0.0002, 10),
            offered_rate=rate,
            answered_rate=rate,
            elapsed=count / rate,
        ),
    )


def measurement_of(assignment: Mapping[str, Scalar], seed: int, count: int = 800) -> Measurement:
    chance = random.Random(seed)
    capacity = true_capacity(assignment) * chance.uniform(0.98, 1.02)
    rates = [capacity * share for share in (0.1, 0.3, 0.6, 0.8, 0.92, 0.98, 1.06, 1.2)]
    return Measurement(
        capacity=Capacity(rate=Interval(value=capacity, low=capacity * 0.97, high=capacity * 1.02)),
        curve=tuple(point(chance, rate, capacity, count) for rate in rates),
        unloaded={"p50": 0.004, "p99": 0.009},
        warm_up=1.0,
        elapsed=14.2,
        statistics={"inference_count": 12345.0},
        peak_memory=412 * 2**20,
        cpu_seconds=21.5,
        use=ResourceUse(elapsed=14.0, cpu_seconds=20.3),
        interference=disturbed(seed),
    )


def disturbed(seed: int) -> Interference:
    """Every tenth measurement had a busy neighbour."""
    found = Interference(elapsed=14.0, cores=2, steal=0.01, foreign=0.31 if seed % 10 == 2 else 0.02)
    return found.model_copy(update={"marks": marks_of(found)})


def efficiencies_of(trials: Iterable[Trial]) -> dict[int, Efficiency]:
    found: dict[int, Efficiency] = {}
    for trial in trials:
        if isinstance(trial.outcome, Completed):
            efficiency = efficiency_of(trial.outcome.measurement, Resources(cpu=2, memory=2 * 2**30))
            if efficiency is not None:
                found[trial.number] = efficiency
    return found


FAILURES: tuple[Outcome, ...] = (
    Failed(failure=FailureKind.OUT_OF_MEMORY, reason="passed its memory limit of 2 GiB while it loaded the model"),
    Failed(failure=FailureKind.INFEASIBLE, reason="p99 63 ms at the lowest load, 20 requests/s; the bound is 50 ms"),
    Failed(failure=FailureKind.DIED, reason="exited with code 139 under load: Segmentation fault"),
    Errored(reason="no port was free"),
    Inconclusive(reason="the load generator was the bottleneck: 12 ms late at p99"),
)


def trials_of(count: int, samples: int = 800) -> tuple[Trial, ...]:
    chance = random.Random(7)
    trials = []
    for number in range(count):
        chosen: dict[str, Scalar] = dict(BASELINE)
        if number:
            for each in parameters():
                chosen[each.name] = chance.choice(each.domain.values or ())
        if number == 11:
            chosen = {"max_batch_size": 32, "instances": 2, "queue_delay": 0, "threads": 1}
        failing = number % 6 == 5 and number != 11
        outcome = (
            FAILURES[number // 6 % len(FAILURES)]
            if failing
            else Completed(measurement=measurement_of(chosen, number, samples))
        )
        trials.append(
            Trial(
                number=number,
                assignment=Assignment(chosen),
                workload=workload_of(chosen).digest,
                outcome=outcome,
                started=1.7e9 + 20 * number,
                ended=1.7e9 + 20 * number + 17.3,
            )
        )
    return tuple(trials)


def cost_of(capacity: float) -> Cost:
    replicas = math.ceil(2000 / (capacity * 0.97))
    return Cost(
        hourly=Money(amount=HOURLY, currency="USD"),
        per_million=money(float(HOURLY) / (capacity * 3600) * 1e6),
        replicas=replicas,
        monthly=money(HOURLY * replicas * 730),
    )


def side_of(trial: Trial) -> Side:
    assert isinstance(trial.outcome, Completed)
    capacity = trial.outcome.measurement.capacity
    assert capacity is not None
    value = capacity.rate.value
    return Side(
        assignment=trial.assignment,
        workload=trial.workload,
        capacities=tuple(value * factor for factor in (0.985, 1.01, 1.0, 1.02)),
        latency={"p50": 0.0061 * 500 / value, "p90": 0.0123 * 500 / value, "p99": 0.0312 * 500 / value},
        cost=cost_of(value),
    )


def comparison_of(baseline: Trial, candidate: Trial, ratio: Interval) -> Comparison:
    return Comparison(
        metric="cost",
        baseline=side_of(baseline),
        candidate=side_of(candidate),
        ratio=ratio,
        confidence=0.95,
        order="ABBAABBA",
    )


def verdict_of(*denials: Denial) -> Verdict:
    return Verdict(
        allow=not denials,
        denials=denials,
        warnings=(Denial(id="change.many", severity="warn", msg="changes 2 settings at once", path="changes"),),
        engine="opa 1.2.3",
        revision=digest_of("policies"),
        packages=("tuner.change", "tuner.cost", "tuner.evidence", "tuner.image", "tuner.mig", "tuner.sla"),
    )


DENIAL = Denial(
    id="cost.monthly",
    severity="deny",
    msg="a month costs 110.67 USD, the limit of the team is 100 USD",
    path="candidate.monthly_cost",
)


def document_of(comparison: Comparison) -> PolicyInput:
    def side(of: Side) -> PolicySide:
        return PolicySide(
            workload=workload_of(of.assignment),
            workload_digest=of.workload,
            capacity=Interval(value=of.capacities[2], low=min(of.capacities), high=max(of.capacities)),
            latency=of.latency,
            cost_per_million=float(of.cost.per_million.amount) if of.cost.per_million else None,
            hourly_cost=float(of.cost.hourly.amount),
            monthly_cost=float(of.cost.monthly.amount) if of.cost.monthly else None,
        )

    return PolicyInput(
        service="text-orientation",
        labels={"team": "documents"},
        slo={"p50": 0.02, "p99": 0.05},
        currency="USD",
        baseline=side(comparison.baseline),
        candidate=side(comparison.candidate),
        ratio=comparison.ratio,
        confidence=comparison.confidence,
        trials=30,
        blocks=8,
        changes=("instances", "max_batch_size"),
    )


def candidate_of(comparison: Comparison, trial: Trial, *denials: Denial, record: int, reason: str = "") -> Candidate:
    return Candidate(
        trial=trial.number,
        comparison=comparison,
        comparison_record=record,
        verdict=verdict_of(*denials),
        verdict_record=record + 1,
        document=document_of(comparison),
        reason=reason,
    )


def around(baseline: Trial, candidate: Trial, share: float) -> Interval:
    ratio = side_of(candidate).capacities[2] / side_of(baseline).capacities[2]
    return Interval(value=ratio, low=ratio * (1 - share), high=ratio * (1 + share))


def ending_of(ending: Ending, baseline: Trial, best: Trial, second: Trial) -> tuple[Recommendation, list[Candidate]]:
    better = comparison_of(baseline, best, around(baseline, best, 0.045))
    fair = comparison_of(baseline, second, around(baseline, second, 0.02))
    if ending == "propose":
        return Propose(comparison=better, reason="better with 95 % confidence"), [candidate_of(better, best, record=51)]
    if ending == "keep":
        miss = comparison_of(baseline, baseline, Interval(value=1.0213, low=0.9791, high=1.0602))
        miss = miss.model_copy(update={"candidate": side_of(second)})
        reason = "the interval of the ratio includes 1"
        return KeepBaseline(reason=reason, comparison=miss), [
            Candidate(trial=second.number, comparison=miss, comparison_record=51, reason=reason)
        ]
    first = candidate_of(better, best, DENIAL, record=51, reason="denied by policy: cost.monthly")
    if ending == "denied":
        return Propose(comparison=better, reason="better with 95 % confidence"), [first]
    return Propose(comparison=fair, reason="better with 95 % confidence"), [
        first,
        candidate_of(fair, second, record=53),
    ]


@cache
def campaign(ending: Ending, trials: int, samples: int) -> ReportInput:
    tried = trials_of(trials, samples)
    baseline, best = tried[0], tried[11]
    completed = [trial for trial in tried if isinstance(trial.outcome, Completed)]
    second = max(
        (trial for trial in completed if trial.number not in {0, 11}),
        key=lambda trial: true_capacity(trial.assignment),
    )
    recommendation, candidates = ending_of(ending, baseline, best, second)
    proposed = second if ending == "denied-then-next" else best
    raw: dict[str, Any] = {
        "spec": spec_of(),
        "origin": Origin(
            campaign="text-orientation-3f2a9c1b",
            repository="git@example.com:documents/serving.git",
            spec_path="configs/text-orientation/tuning.yaml",
            manifest_path="configs/text-orientation/deployment.yaml",
            commit="3f2a9c1b" + "0" * 32,
            base="main",
            branch="tuner/text-orientation-3f2a9c1b",
            trace="0af7651916cd43dd8448eb211c80319c",
        ),
        "machine": Machine(
            processor="AMD EPYC 7B13",
            cores=2,
            memory=8 * 2**30,
            system="Debian GNU/Linux 12, Linux 6.1",
            backend="local",
            engine="Triton 2.59.0",
        ),
        "parameters": parameters(),
        "size": 420,
        "baseline": baseline.workload,
        "trials": tried,
        "costs": {trial.number: side_of(trial).cost for trial in completed},
        "efficiencies": efficiencies_of(completed),
        "recommendation": recommendation,
        "candidates": tuple(candidates),
        "comparison_rate": 480.0,
        "changes": (
            Change(name="instances", before=1, after=2, place="config.pbtxt: instance_group.count"),
            Change(name="max_batch_size", before=8, after=32, place="config.pbtxt: max_batch_size"),
        )
        if ending != "keep"
        else (),
        "diff": DIFF if ending != "keep" else "",
        "shipped": Shipped(workload=proposed.workload, image=IMAGE) if ending.startswith("prop") else None,
        "phases": (
            Phase(name="plan", seconds=0.8),
            Phase(name="search", seconds=1890.0),
            Phase(name="confirm", seconds=312.4),
            Phase(name="judge", seconds=0.3),
        ),
        "effort": Effort(trials=trials, elapsed=2203.5, core_hours=1.2241, money=money(0.046)),
        "stability": Stability(looks=44, noise=0.012, changes={4: "-18 % (-24 to -11 %)"}, repeated=(4,), blocks=(3,)),
        "audit": Audit(
            path="audit/text-orientation/text-orientation-3f2a9c1b.jsonl",
            head_path="audit/text-orientation/text-orientation-3f2a9c1b.head",
            head=digest_of("head"),
            records=58,
            spec=1,
            recommendation=52,
            trials={trial.number: 4 + trial.number for trial in tried},
        ),
        "importance": Importance(
            shares={"max_batch_size": 0.6123, "instances": 0.2411, "threads": 0.1211, "queue_delay": 0.0255},
            method="functional ANOVA over 30 completed trials",
        ),
        "report": "report.html",
        "figures": "figures",
    }
    return ReportInput(**raw)


@pytest.fixture(scope="session")
def build() -> Build:
    """``build(ending, trials=36, **fields)``: a campaign that ended in this way, with some fields otherwise."""

    def built(ending: Ending = "propose", trials: int = 36, samples: int = 200, **fields: Any) -> ReportInput:
        made = campaign(ending, trials, samples)
        return ReportInput(**{**{name: getattr(made, name) for name in ReportInput.model_fields}, **fields})

    return built


@pytest.fixture(scope="session")
def poison(build: Build) -> Poison:
    """``poison(text, ending)``: a campaign in which every text that is not ours is ``text``."""

    def poisoned(text: str, ending: Ending = "propose") -> ReportInput:
        foul = text.strip() or "x"
        raw = build(ending).model_dump(mode="json", by_alias=True)
        spec = raw.pop("spec")  # a spec has its own guard: what it lets through has no control characters
        spread_poison(raw, foul)
        printable = "".join(each for each in foul if each.isprintable()) or "x"
        spec["constraints"] = [{"expression": printable, "reason": printable}]
        raw["spec"] = spec
        raw["stability"]["changes"] = {"4": foul}
        raw["importance"] = {"shares": {foul: 0.7, "threads": 0.3}, "method": foul}
        raw["changes"] = [{"name": foul, "before": foul, "after": f"{foul}x", "place": foul}]
        for parameter in raw["parameters"]:
            parameter["description"] = foul
        return ReportInput.model_validate(raw)

    return poisoned


FOUL_KEYS = {
    "reason", "msg", "id", "path", "repository", "spec_path", "manifest_path", "base", "branch", "commit", "processor",
    "system", "backend", "engine", "head_path", "head", "diff", "revision", "gpus", "packages", "order",
    "trace", "name", "threads", "marks",
}  # fmt: skip


def spread_poison(value: Any, foul: str, key: str = "") -> Any:
    """Every text under one of the keys, in place; where it may stand is known by its neighbours."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            value[index] = spread_poison(item, foul, key)
        return [foul, foul] if key in {"gpus", "packages"} else value
    if isinstance(value, dict):
        for name in value:
            if name not in {"target", "labels", "use"}:
                value[name] = spread_poison(value[name], foul, name)
        return value
    return foul if key in FOUL_KEYS and isinstance(value, str) else value
