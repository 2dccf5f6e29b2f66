"""Three decision points, alike on every engine: may it run, may it be proposed, may it be rolled out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tuner.policy.bundle import PolicyBundle
from tuner.policy.model import PolicyDocument, PolicyEngine, PolicyInput, Verdict
from tuner.policy.point import AdmissionInput, Moment, RolloutInput, RolloutStep
from tuner.policy.quota import QuotaEntry
from tuner.policy.waiver import Waiver

EngineOf = Callable[[PolicyBundle], PolicyEngine]
SLICE, BOARD = "nvidia.com/mig-1g.10gb", "NVIDIA-H100-80GB-HBM3"
WAIVER = Waiver(
    rule="evidence.trials",
    service="orientation",
    reason="a new pool",
    approver="lead@example.com",
    expires="2026-03-09",
)


def ids(verdict: Verdict) -> set[str]:
    assert verdict.allow == (not verdict.denials)
    for denial in verdict.denials:
        assert denial.severity == "deny"
        assert denial.path
        assert denial.reason
        assert denial.remedy
    return {denial.id for denial in verdict.denials}


def with_data(bundle: PolicyBundle, path: str, text: str) -> PolicyBundle:
    """The bundle with other data in one place."""
    data = json.loads(bundle.data)
    *steps, last = path.split(".")
    place = data
    for step in steps:
        place = place[step]
    place[last] = json.loads(text)
    return PolicyBundle.load(
        {**{name: module.encode() for name, module in bundle.modules.items()}, "data.json": json.dumps(data).encode()}
    )


def test_each_point_asks_its_own_packages(
    default_engine: PolicyEngine,
    admitted: AdmissionInput,
    allowed: PolicyInput,
    planned: RolloutInput,
) -> None:
    engine = default_engine
    documents: tuple[PolicyDocument, ...] = (admitted, allowed, planned)
    asked = [engine.decide(document) for document in documents]
    assert all(verdict.allow and not verdict.warnings for verdict in asked)
    assert [verdict.packages for verdict in asked] == [
        ("accelerator", "budget", "hours", "image", "team"),
        ("change", "cost", "evidence", "image", "quota", "rollback", "sla"),
        ("analysis", "rollback", "slice", "steps"),
    ]


def test_a_point_that_the_policies_do_not_know_denies(
    engine_of: EngineOf, admitted: AdmissionInput, planned: RolloutInput
) -> None:
    main = b"package tuner.main\n\nallow := true\ndeny := set()\npackages := set()\n"
    engine = engine_of(PolicyBundle.load({"main.rego": main}))
    for document, package in ((admitted, "tuner.admission"), (planned, "tuner.rollout")):
        (denial,) = engine.decide(document).denials
        assert denial.id == "policy.engine"
        assert denial.msg == f"the policies have no package {package}, so nothing is allowed"


ADMISSION: dict[str, tuple[dict[str, Any], dict[str, str], set[str]]] = {
    "many trials": ({"trials": 1001}, {}, {"budget.trials"}),
    "long": ({"wall_clock": 86_400.5}, {}, {"budget.wall-clock"}),
    "dear": ({"money": 500.01}, {}, {"budget.money"}),
    "currency": ({"currency": "CHF"}, {}, {"budget.currency"}),
    "tag": ({"image": "nvcr.io/nvidia/tritonserver:25.10"}, {}, {"image.unpinned"}),
    "registry": ({"image": f"ghcr.io/x@sha256:{'a' * 64}"}, {}, {"image.registry"}),
    "team": ({}, {"limits.teams": '{"speech": {}}'}, {"team.unlisted"}),
    "no team": ({"team": ""}, {"limits.teams": '{"speech": {}}'}, {"team.missing"}),
    "own budget": ({}, {"limits.teams": '{"vision": {"budget": {"trials": 39}}}'}, {"budget.trials"}),
    "closed": ({}, {"limits.hours": '[{"days": [1, 2], "from": 18, "until": 24}]'}, {"hours.closed"}),
    "open": ({}, {"limits.hours": '[{"days": [1, 2], "from": 12, "until": 13}]'}, set()),
    "profile": ({"gpus": {SLICE: 1}}, {"limits.accelerators": '{"resources": {}}'}, {"accelerator.resource"}),
    "many slices": (
        {"gpus": {SLICE: 3}},
        {"limits.accelerators": f'{{"resources": {{"{SLICE}": 2}}}}'},
        {"accelerator.count"},
    ),
    "board": (
        {"gpus": {SLICE: 1}, "products": (BOARD, "NVIDIA-H200")},
        {"limits.accelerators": f'{{"resources": {{"{SLICE}": 2}}, "products": ["{BOARD}"]}}'},
        {"accelerator.product"},
    ),
}


@pytest.mark.parametrize("name", ADMISSION)
def test_what_may_run(
    name: str,
    engine_of: EngineOf,
    default_bundle: PolicyBundle,
    admitted: AdmissionInput,
) -> None:
    change, data, expected = ADMISSION[name]
    bundle = default_bundle
    for path, text in data.items():
        bundle = with_data(bundle, path, text)
    assert ids(engine_of(bundle).decide(admitted.model_copy(update=change))) == expected


ROLLOUT: dict[str, tuple[dict[str, Any], set[str]]] = {
    "no steps": ({"steps": ()}, {"steps.none", "analysis.missing"}),
    "too big": (
        {"steps": (RolloutStep(weight=30, pause=300, analyses=("latency",)), RolloutStep(weight=60, pause=300))},
        {"steps.first"},
    ),
    "too fast": (
        {"steps": (RolloutStep(weight=25, pause=0, analyses=("latency",)), RolloutStep(weight=60, pause=59.5))},
        {"steps.pause"},
    ),
    "nobody looks": ({"steps": (RolloutStep(weight=25, pause=300), RolloutStep(weight=60, pause=300))}, {
        "analysis.missing",
    }),
    "unknown analysis": ({"templates": ()}, {"analysis.unknown"}),
    "no way back": ({"rollback": None}, {"rollback.missing"}),
    "no slice": (
        {
            "gpus": {SLICE: 1},
            "product": BOARD,
            "quota": (QuotaEntry(product=BOARD, resource=SLICE, limit=7, taken=6, reserved=1),),
        },
        {"slice.none"},
    ),
    "last slice": (
        {"gpus": {SLICE: 1}, "product": BOARD, "quota": (QuotaEntry(product="*", resource=SLICE, limit=7, taken=6),)},
        set(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ROLLOUT)
def test_what_may_be_rolled_out(name: str, default_engine: PolicyEngine, planned: RolloutInput) -> None:
    change, expected = ROLLOUT[name]
    assert ids(default_engine.decide(planned.model_copy(update=change))) == expected


def test_the_unfavourable_end_of_an_interval_decides(default_engine: PolicyEngine, allowed: PolicyInput) -> None:
    """The latency's value is within the SLO of 50 ms, its interval is not."""
    side = allowed.candidate
    spread = side.latency_interval["p99"].model_copy(update={"high": 0.051})
    wide = side.model_copy(update={"latency_interval": {"p99": spread}})
    bare = side.model_copy(update={"latency_interval": {}})
    engine = default_engine
    assert ids(engine.decide(allowed.model_copy(update={"candidate": wide}))) == {"sla.latency"}
    assert ids(engine.decide(allowed.model_copy(update={"candidate": bare}))) == {"sla.latency-interval"}


def test_without_a_way_back_nothing_is_proposed(default_engine: PolicyEngine, allowed: PolicyInput) -> None:
    engine = default_engine
    assert ids(engine.decide(allowed.model_copy(update={"rollback": None}))) == {"rollback.missing"}
    unknown = allowed.model_copy(update={"files": ("elsewhere.yaml",)})
    assert ids(engine.decide(unknown)) == {"rollback.file"}


@pytest.mark.parametrize(
    ("change", "date", "allow", "told"),
    [
        ({}, "2026-03-02", True, {"evidence.trials"}),
        ({}, "2026-03-09", True, {"evidence.trials"}),
        ({}, "2026-03-10", False, {"waiver.expired"}),
        ({}, "2025-11-01", False, {"waiver.void"}),
        ({}, "", False, {"waiver.void"}),
        ({"service": "other"}, "2026-03-02", False, set()),
        ({"rule": "evidence.blocks"}, "2026-03-02", False, set()),
        ({"expires": "soon"}, "2026-03-02", False, {"waiver.void"}),
    ],
)
def test_a_waiver_counts_for_one_rule_of_one_service_until_its_day(
    default_engine: PolicyEngine,
    allowed: PolicyInput,
    change: dict[str, str],
    date: str,
    allow: bool,
    told: set[str],
) -> None:
    waiver = WAIVER.model_copy(update=change)
    document = allowed.model_copy(update={"trials": 1, "waivers": (waiver,), "date": date})
    verdict = default_engine.decide(document)
    assert verdict.allow == allow
    assert {warning.id for warning in verdict.warnings} == told
    if allow:
        (warning,) = verdict.warnings
        assert warning.msg == (
            "waived until 2026-03-09 by lead@example.com (a new pool): "
            "1 trials were completed, 5 are needed: raise budget.trials"
        )


def test_a_canary_on_gpus_needs_a_known_board(default_engine: PolicyEngine, planned: RolloutInput) -> None:
    document = planned.model_copy(update={"gpus": {SLICE: 1}, "deployed": planned.deployed})
    assert "slice.product" in ids(default_engine.decide(document))


def test_the_moment_is_one_of_the_week(admitted: AdmissionInput) -> None:
    assert admitted.date == admitted.time.date
    with pytest.raises(ValueError, match="weekday"):
        Moment(date="2026-03-02", weekday=8, hour=0)
