"""``tuner policy test`` and ``explain``: stored inputs judged again, and the decision told in words."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tuner.cli.app import app
from tuner.policy.bundle import PolicyBundle
from tuner.policy.document import policy_document
from tuner.policy.embedded import EmbeddedEngine
from tuner.policy.explanation import explain
from tuner.policy.model import PolicyDocument, PolicyInput
from tuner.policy.point import AdmissionInput, RolloutInput
from tuner.policy.server import OpaServer
from tuner.policy.signing import new_key
from tuner.policy.stored import document_of, read_case
from tuner.value import canonical_json

POLICIES = Path(__file__).parents[2] / "policies"


def run(*arguments: str) -> tuple[int, Any]:
    result = CliRunner().invoke(app, ["policy", *arguments, "--json"])
    return result.exit_code, json.loads(result.stdout)


def stored(folder: Path, name: str, document: PolicyDocument, **expect: Any) -> Path:
    """The document as it lies in a pull request, or as a case where something is expected."""
    plain = policy_document(document)
    file = folder / f"{name}.json"
    file.write_text(canonical_json({"input": plain, "expect": expect} if expect else plain))
    return file


def test_a_stored_document_is_the_one_that_was_judged(
    admitted: AdmissionInput, allowed: PolicyInput, planned: RolloutInput
) -> None:
    for document in (admitted, allowed, planned):
        again = document_of(json.loads(canonical_json(policy_document(document))))
        assert type(again) is type(document)
        assert policy_document(again) == policy_document(document)


def test_what_differs_from_what_is_expected_is_told(tmp_path: Path, allowed: PolicyInput) -> None:
    few = allowed.model_copy(update={"trials": 1})
    stored(tmp_path, "a-good", allowed, allow=True)
    stored(tmp_path, "b-few", few, allow=False, deny=["evidence.trials"])
    assert run("test", str(tmp_path))[0] == 0
    stored(tmp_path, "c-wrong", few, allow=True, deny=["sla.latency"], warn=["quota.last"])
    code, told = run("test", str(tmp_path))
    assert (code, told["wrong"]) == (3, 1)
    assert told["results"][2]["differs"] == [
        "denied, expected to be allowed",
        "evidence.trials denies: 1 trials were completed, 5 are needed: raise budget.trials",
        "sla.latency does not deny",
        "quota.last does not warn",
    ]


def test_other_policies_are_tried_before_they_are_committed(tmp_path: Path, allowed: PolicyInput) -> None:
    shutil.copytree(POLICIES, tmp_path / "policies")
    data = tmp_path / "policies" / "data.yaml"
    data.write_text(data.read_text().replace("trials: 5", "trials: 50"))
    file = stored(tmp_path, "good", allowed, allow=True)
    assert run("test", str(file))[0] == 0
    code, told = run("test", "--policies", str(tmp_path / "policies"), str(file))
    assert code == 3
    assert "evidence.trials denies" in told["results"][0]["differs"][1]


def test_the_rule_that_decided_is_named_with_its_place(tmp_path: Path, allowed: PolicyInput) -> None:
    slow = allowed.model_copy(update={"slo": {"p99": 0.0336}})
    code, (told,) = run("explain", str(stored(tmp_path, "slow", slow)))
    assert code == 0
    assert told["sentence"] == "recommendation: denied by sla.latency"
    first, *others = told["rulings"]
    line = next(
        n for n, text in enumerate((POLICIES / "sla/sla.rego").read_text().splitlines(), 1) if '"sla.latency"' in text
    )
    assert first == {
        "package": "sla",
        "title": "Service level",
        "said": "denies",
        "id": "sla.latency",
        "place": f"sla/sla.rego:{line}",
        "path": "candidate.latency.p99",
        "value": "0.031",
        "reason": "p99 is up to 34 ms at 450.5 requests/s, the SLO is 33.6 ms",
        "remedy": "choose a faster configuration, or raise slo.latency.p99 in the spec",
    }
    assert {each["package"] for each in others} == {"change", "cost", "evidence", "image", "quota", "rollback"}
    assert {each["said"] for each in others} == {"allows"}


def test_an_allow_says_that_nobody_denied(admitted: AdmissionInput, default_bundle: PolicyBundle) -> None:
    verdict = EmbeddedEngine(default_bundle).decide(admitted)
    told = explain(default_bundle, admitted, verdict)
    assert told.sentence == "admission: allowed, because none of 5 packages denies"
    assert str(told.rulings[0]) == "accelerator (Accelerators) has nothing against it"


def test_every_rule_of_the_shipped_policies_has_a_place(default_bundle: PolicyBundle, allowed: PolicyInput) -> None:
    bad = allowed.model_copy(update={"trials": 1, "changes": (), "currency": "XXX", "rollback": None, "slo": {}})
    told = explain(default_bundle, bad, EmbeddedEngine(default_bundle).decide(bad))
    denials = [ruling for ruling in told.rulings if ruling.said == "denies"]
    assert len(denials) >= 5
    for ruling in denials:
        file, _, line = ruling.place.partition(":")
        assert f'"{ruling.id}"' in (POLICIES / file).read_text().splitlines()[int(line) - 1]
        assert ruling.remedy


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[]", "no mapping"),
        ("{}", "service"),
        ("a: &b 1\n", "alias"),
        ('{"input": {}, "expect": {"allow": 3}}', "allow"),
    ],
)
def test_a_mistake_in_a_case_is_told(tmp_path: Path, text: str, place: str) -> None:
    from tuner.errors import UserError

    with pytest.raises(UserError) as caught:
        read_case(text.encode(), "case.yaml")
    assert place in str(caught.value)


@pytest.mark.real
def test_a_signed_bundle_is_loaded_by_opa(
    tmp_path: Path, opa_program: Path, allowed: PolicyInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, target = new_key(), tmp_path / "bundle.tar.gz"
    (tmp_path / "key.pem").write_bytes(key)
    arguments = ["policy", "bundle", "-o", str(target), "--key", str(tmp_path / "key.pem"), "--opa", str(opa_program)]
    result = CliRunner().invoke(app, arguments)
    assert result.stdout.strip() == PolicyBundle.default().revision
    with tarfile.open(target) as archive:
        assert ".signatures.json" in archive.getnames()
    monkeypatch.setattr("tuner.policy.server.new_key", lambda: key)
    monkeypatch.setattr("tuner.policy.server.signed_archive", lambda *_: target.read_bytes())
    with OpaServer(opa_program, PolicyBundle.default()) as engine:
        assert engine.decide(allowed).allow
