"""What every policy engine does: it allows only by an explicit allow, and never raises."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tuner.policy.bundle import PolicyBundle
from tuner.policy.model import PolicyEngine, PolicyInput, Verdict

EngineOf = Callable[[PolicyBundle], PolicyEngine]


def bundle(main: str, **files: str) -> PolicyBundle:
    contents = {"main.rego": f"package tuner.main\n\n{main}\n", **files}
    return PolicyBundle.load({path: text.encode() for path, text in contents.items()})


def only_reason(verdict: Verdict) -> str:
    assert not verdict.allow
    assert [denial.id for denial in verdict.denials] == ["policy.engine"]
    return verdict.denials[0].msg


ALLOW = "allow := true\ndeny := set()\nwarn := set()\npackages := set()"


def test_the_default_policies_allow_what_is_good(
    engine_of: EngineOf, default_bundle: PolicyBundle, allowed: PolicyInput
) -> None:
    verdict = engine_of(default_bundle).decide(allowed)
    assert verdict.allow
    assert verdict.denials == ()
    assert verdict.warnings == ()
    assert verdict.packages == ("change", "cost", "evidence", "image", "quota", "rollback", "sla")
    assert verdict.revision == default_bundle.revision
    assert verdict.engine


def test_a_denial_comes_with_its_reason_and_place(
    engine_of: EngineOf, default_bundle: PolicyBundle, allowed: PolicyInput
) -> None:
    verdict = engine_of(default_bundle).decide(allowed.model_copy(update={"slo": {"p99": 0.0336}}))
    assert not verdict.allow
    (denial,) = verdict.denials
    assert denial.id == "sla.latency"
    assert denial.path == "candidate.latency.p99"
    assert denial.reason == "p99 is up to 34 ms at 450.5 requests/s, the SLO is 33.6 ms"
    assert denial.remedy == "choose a faster configuration, or raise slo.latency.p99 in the spec"
    assert denial.msg == f"{denial.reason}: {denial.remedy}"


def test_a_users_own_policies_replace_the_default_ones(engine_of: EngineOf, allowed: PolicyInput) -> None:
    own = bundle(
        'default allow := false\nallow if count(deny) == 0\npackages := ["own"]\nwarn := set()\n'
        'deny contains {"id": "own.trials", "severity": "deny", "msg": "too few", "path": "trials"} if '
        "input.trials < data.own.trials",
        **{"own/data.yaml": "trials: 21\n"},
    )
    engine = engine_of(own)
    assert [denial.id for denial in engine.decide(allowed).denials] == ["own.trials"]
    assert engine.decide(allowed.model_copy(update={"trials": 21})).allow


def test_policies_without_the_main_package_allow_nothing(engine_of: EngineOf, allowed: PolicyInput) -> None:
    other = PolicyBundle.load({"other.rego": b"package other\n\nallow := true\n"})
    assert "no package tuner.main" in only_reason(engine_of(other).decide(allowed))


@pytest.mark.parametrize(
    ("main", "reason"),
    [
        ("deny := set()\nwarn := set()\npackages := set()", "allow: Field required"),
        ("allow := true\nwarn := set()\npackages := set()", "deny: Field required"),
        ("allow := true\ndeny := set()", "packages: Field required"),
        ('allow := "true"\ndeny := set()\npackages := set()', "allow: Input should be a valid boolean"),
        ("allow := 1\ndeny := set()\npackages := set()", "allow: Input should be a valid boolean"),
        ('allow := true\ndeny := "none"\npackages := set()', "deny: Input should be a valid list"),
        ('allow := false\ndeny := {"too slow"}\npackages := set()', "deny.0"),
        ('allow := false\ndeny := {{"id": "", "severity": "deny", "msg": "x"}}\npackages := set()', "deny.0.id"),
        ("allow := false\ndeny := set()\npackages := set()", "give no reason"),
    ],
)
def test_what_is_no_answer_is_a_deny(engine_of: EngineOf, allowed: PolicyInput, main: str, reason: str) -> None:
    assert reason in only_reason(engine_of(bundle(main)).decide(allowed))


def test_an_allow_beside_a_denial_is_a_deny(engine_of: EngineOf, allowed: PolicyInput) -> None:
    main = 'allow := true\ndeny := {{"id": "a", "severity": "deny", "msg": "no", "path": ""}}\npackages := set()'
    verdict = engine_of(bundle(main)).decide(allowed)
    assert not verdict.allow
    assert [denial.id for denial in verdict.denials] == ["a", "policy.engine"]
    assert "allow and deny at once" in verdict.denials[1].msg


def test_a_warning_among_the_denials_is_a_deny(engine_of: EngineOf, allowed: PolicyInput) -> None:
    main = 'allow := false\ndeny := {{"id": "a", "severity": "warn", "msg": "hm", "path": ""}}\npackages := set()'
    verdict = engine_of(bundle(main)).decide(allowed)
    assert not verdict.allow
    assert "severity" in verdict.denials[-1].msg


def test_an_error_inside_a_rule_is_a_deny_and_not_silence(engine_of: EngineOf, allowed: PolicyInput) -> None:
    """In plain Rego a failing built-in makes a rule undefined: a denial that fails would let everything pass."""
    main = (
        "default allow := false\nallow if count(deny) == 0\npackages := set()\n"
        'deny contains {"id": "a", "severity": "deny", "msg": "no", "path": ""} if to_number(input.service) > 1'
    )
    only_reason(engine_of(bundle(main)).decide(allowed))


def test_rules_that_contradict_each_other_are_a_deny(engine_of: EngineOf, allowed: PolicyInput) -> None:
    main = "allow if input.trials > 1\nallow := false if input.trials > 2\ndeny := set()\npackages := set()"
    only_reason(engine_of(bundle(main)).decide(allowed))


def test_missing_data_is_a_deny_by_every_package(
    engine_of: EngineOf, default_bundle: PolicyBundle, allowed: PolicyInput
) -> None:
    files = {path: text.encode() for path, text in default_bundle.modules.items()}
    names = b"packages: {recommendation: [change, cost, evidence, image, quota, rollback, sla]}\n"
    verdict = engine_of(PolicyBundle.load({**files, "data.yaml": names})).decide(allowed)
    assert not verdict.allow
    found = {denial.id for denial in verdict.denials}
    assert {"change.limits", "cost.limits", "evidence.limits", "sla.limits", "image.registry"} <= found


def test_a_package_that_is_gone_is_a_deny(
    engine_of: EngineOf, default_bundle: PolicyBundle, allowed: PolicyInput
) -> None:
    files = {path: text.encode() for path, text in default_bundle.modules.items() if not path.startswith("quota/")}
    verdict = engine_of(PolicyBundle.load({**files, "data.json": default_bundle.data.encode()})).decide(allowed)
    assert [(denial.id, denial.path) for denial in verdict.denials] == [
        ("policy.missing", "packages.recommendation.quota")
    ]


@pytest.mark.parametrize("number", [1e10, 1e300, -2e9])
def test_a_number_that_engines_would_not_agree_on_is_a_deny(
    engine_of: EngineOf, default_bundle: PolicyBundle, allowed: PolicyInput, number: float
) -> None:
    huge = allowed.model_copy(update={"compared_load": number})
    assert "too large a number" in only_reason(engine_of(default_bundle).decide(huge))


def test_an_explicit_allow_is_an_allow(engine_of: EngineOf, allowed: PolicyInput) -> None:
    assert engine_of(bundle(ALLOW)).decide(allowed).allow
