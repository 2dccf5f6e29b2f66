"""The embedded engine decides as the real OPA does: allow, ids, messages, paths."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tuner.engine.workload import Resources, Workload
from tuner.measurement.model import Interval
from tuner.policy.bundle import PolicyBundle
from tuner.policy.decision import FAULT
from tuner.policy.embedded import EmbeddedEngine
from tuner.policy.model import PolicyEngine, PolicyInput, PolicySide, Verdict
from tuner.policy.quota import QuotaEntry

pytestmark = pytest.mark.real
BOARD, SLICE = "NVIDIA-H100-80GB-HBM3", "nvidia.com/mig-1g.10gb"


def decision(verdict: Verdict) -> dict[str, Any]:
    return verdict.model_dump(exclude={"engine", "decision_id"})


def _gpus(count: int, *, limit: int | None = 7, product: str | None = BOARD) -> dict[str, Any]:
    entries = [] if limit is None else [{"product": BOARD, "resource": SLICE, "limit": limit, "taken": 1}]
    return {
        "quota": entries,
        "candidate": {"product": product, "workload": {"resources": {"gpus": {SLICE: count}}}},
    }


CORPUS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "nothing": ({}, set()),
    "slow": ({"candidate": {"latency_interval": {"p99": {"high": 0.06125}}}}, {"sla.latency"}),
    "slow by little": ({"candidate": {"latency_interval": {"p99": {"high": 0.050001}}}}, {"sla.latency"}),
    "slow by nothing": ({"candidate": {"latency_interval": {"p99": {"high": 0.05}}}}, set()),
    "not measured": ({"slo": {"p50": 0.01}}, {"sla.latency-unknown"}),
    "errors": ({"candidate": {"error_rate": 0.00155}}, {"sla.errors"}),
    "errors not counted": ({"candidate": {"error_rate": None}}, {"sla.errors-unknown"}),
    "small": ({"candidate": {"capacity": {"value": 450, "low": 400, "high": 460}}}, {"sla.capacity"}),
    "small for its load": (
        {"expected_load": 900, "candidate": {"capacity": {"value": 450, "low": 400, "high": 460}}},
        {"sla.capacity-expected"},
    ),
    "still small": ({"expected_load": 5000.125}, set()),
    "no baseline": ({"baseline": {"capacity": {"value": 0, "low": 0, "high": 0}}}, {"sla.capacity-unknown"}),
    "currency": ({"currency": "CHF"}, {"cost.currency"}),
    "dear": (
        {"candidate": {"hourly_cost": 0.1101, "capacity": {"value": 510, "low": 500, "high": 520}}},
        {"cost.increase"},
    ),
    "dear and fast": ({"candidate": {"hourly_cost": 0.15}}, set()),
    "very dear": ({"candidate": {"hourly_cost": 70}}, {"cost.increase", "cost.hourly"}),
    "month": ({"candidate": {"monthly_cost": 50000.5}}, {"cost.monthly", "cost.monthly-increase"}),
    "free baseline": ({"baseline": {"hourly_cost": 0}}, {"cost.incomparable"}),
    "gpus": (_gpus(3), set()),
    "gpus above quota": (_gpus(4), {"quota.exceeded"}),
    "gpus without quota": (_gpus(1, limit=None), {"quota.unlisted"}),
    "gpus anywhere": (_gpus(1, product=None), {"quota.product"}),
    "tag": ({"candidate": {"workload": {"image": "nvcr.io/nvidia/a:1"}}}, {"image.unpinned", "change.image"}),
    "registry": (
        {"candidate": {"workload": {"image": f"somewhere.example/a@sha256:{'0' * 64}"}}},
        {"image.registry", "change.image"},
    ),
    "unicode": ({"candidate": {"workload": {"image": 'ünï"\\\n<a>&\u2028'}}}, {
        "image.registry", "image.unpinned", "change.image",
    }),
    "few trials": ({"trials": 2}, {"evidence.trials"}),
    "few blocks": ({"blocks": 2}, {"evidence.blocks"}),
    "unsure": ({"confidence": 0.8}, {"evidence.confidence"}),
    "no gain": ({"ratio": {"low": 1}}, {"evidence.gain"}),
    "another pod": ({"template": {"proposed": "sha256:a", "measured": ["sha256:b"]}}, {"evidence.template"}),
    "no pod": ({"template": {"proposed": "sha256:a", "measured": []}}, {"evidence.template"}),
    "the same pod": ({"template": {"proposed": "sha256:a", "measured": ["sha256:a"]}}, set()),
    "odd interval": ({"ratio": {"low": 3}}, {"evidence.interval"}),
    "no change": ({"changes": []}, {"change.empty"}),
    "many changes": ({"changes": [f"p{n}" for n in range(13)]}, {"change.parameters"}),
    "replicas": ({"candidate": {"workload": {"replicas": 5}}}, {"change.step", "cost.increase"}),
    "limit removed": ({"candidate": {"workload": {"resources": {"memory": None}}}}, {"change.limit-removed"}),
    "limit added": ({"deployed": {"image": f"nvcr.io/nvidia/tritonserver@sha256:{'a' * 64}", "replicas": 2}}, set()),
}  # fmt: skip


def changed(document: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """The document with the parts of a change put in, mappings key by key."""
    result = dict(document)
    for key, value in change.items():
        inner = result.get(key)
        result[key] = changed(inner, value) if isinstance(value, dict) and isinstance(inner, dict) else value
    return result


@pytest.mark.parametrize("name", CORPUS)
def test_a_case_is_decided_as_expected_by_both(
    name: str, allowed: PolicyInput, opa: PolicyEngine, default_bundle: PolicyBundle
) -> None:
    change, expected = CORPUS[name]
    document = PolicyInput.model_validate(changed(allowed.model_dump(mode="json"), change))
    ours, theirs = EmbeddedEngine(default_bundle).decide(document), opa.decide(document)
    assert decision(ours) == decision(theirs)
    assert {denial.id for denial in ours.denials} == expected
    assert ours.allow == (not expected)
    for denial in (*ours.denials, *ours.warnings):
        assert denial.path
        assert denial.severity == "deny" or denial in ours.warnings


def test_every_denial_says_what_would_make_it_pass(allowed: PolicyInput, default_bundle: PolicyBundle) -> None:
    for change, _ in CORPUS.values():
        document = PolicyInput.model_validate(changed(allowed.model_dump(mode="json"), change))
        for denial in EmbeddedEngine(default_bundle).decide(document).denials:
            assert denial.reason
            assert denial.remedy


plain = st.integers(0, 3000).map(lambda thousandths: thousandths / 1000)
amounts = plain | plain | plain | st.floats(0.001, 1000) | st.sampled_from([0.0, 0.05, 0.0000005, 1e-7, 100.0])
counts = st.integers(0, 12)
texts = st.text(max_size=20)
images = st.sampled_from(
    [
        f"nvcr.io/nvidia/a@sha256:{'a' * 64}",
        f"nvcr.io/nvidia/a@sha256:{'a' * 64}",
        "a",
        "a/b",
        "localhost/a:1",
        f"nvcr.io/x@sha256:{'0' * 64}",
        "a.b:5/c",
    ]
) | texts.filter(bool)
intervals = st.builds(Interval, value=amounts, low=amounts, high=amounts)
workloads = st.builds(
    Workload,
    image=images,
    resources=st.builds(
        Resources,
        cpu=st.none() | amounts,
        memory=st.none() | st.integers(0, 2**50),
        gpus=st.dictionaries(st.sampled_from([SLICE, "nvidia.com/gpu", ""]), st.integers(0, 16), max_size=2),
    ),
    replicas=st.integers(0, 9),
)
percentiles = st.sampled_from(["p50", "p99", "p99.9"])
sides = st.builds(
    PolicySide,
    workload=workloads,
    workload_digest=texts,
    capacity=intervals,
    latency=st.dictionaries(percentiles, amounts),
    latency_interval=st.dictionaries(percentiles, intervals),
    error_rate=st.none() | st.floats(0, 1),
    cost_per_million=st.none() | amounts,
    hourly_cost=amounts,
    monthly_cost=st.none() | amounts,
    product=st.none() | st.just(BOARD) | texts,
)
entries = st.builds(
    QuotaEntry, product=st.sampled_from([BOARD, "other"]), resource=st.just(SLICE), limit=counts, taken=counts
)
documents = st.builds(
    PolicyInput,
    service=texts,
    labels=st.dictionaries(texts, texts, max_size=2),
    slo=st.dictionaries(percentiles, amounts),
    slo_error_rate=st.none() | st.floats(0, 1),
    currency=st.sampled_from(["USD", "EUR", "CHF", ""]),
    baseline=sides,
    candidate=sides,
    deployed=st.none() | workloads,
    compared_load=st.none() | amounts,
    expected_load=st.none() | amounts,
    ratio=intervals,
    confidence=st.floats(0, 1),
    trials=counts,
    blocks=counts,
    changes=st.lists(texts, max_size=15).map(tuple),
    quota=st.lists(entries, max_size=2, unique_by=lambda entry: (entry.product, entry.resource)).map(tuple),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(document=documents)
def test_any_input_is_decided_alike(document: PolicyInput, opa: PolicyEngine, default_bundle: PolicyBundle) -> None:
    ours = EmbeddedEngine(default_bundle).decide(document)
    event("allowed" if ours.allow else "denied")
    event("no decision" if any(denial.id == FAULT for denial in ours.denials) else "decision")
    assert decision(ours) == decision(opa.decide(document))


def near(bound: float) -> st.SearchStrategy[float]:
    """Numbers at a bound, and up to a millionth part beside it, in steps too small for six decimals."""
    return st.integers(-20, 20).map(lambda steps: bound + steps * 1e-7)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(latency=near(0.05), gain=near(1), hourly=near(0.11), errors=near(0.001), confidence=near(0.9), cores=near(8))
def test_inputs_at_the_bounds_are_decided_alike(
    latency: float,
    gain: float,
    hourly: float,
    errors: float,
    confidence: float,
    cores: float,
    allowed: PolicyInput,
    opa: PolicyEngine,
    default_bundle: PolicyBundle,
) -> None:
    change = {
        "ratio": {"low": gain},
        "confidence": confidence,
        "candidate": {
            "latency_interval": {"p99": {"high": latency}},
            "hourly_cost": hourly,
            "error_rate": errors,
            "capacity": {"low": 550},
            "workload": {"resources": {"cpu": cores}},
        },
    }
    document = PolicyInput.model_validate(changed(allowed.model_dump(mode="json"), change))
    ours = EmbeddedEngine(default_bundle).decide(document)
    event("allowed" if ours.allow else "denied")
    assert decision(ours) == decision(opa.decide(document))
