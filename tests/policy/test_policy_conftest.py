"""The same policies in a pull request's checks: conftest judges the documents that the pull request carries."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from testbed.toolbox import Toolbox
from tuner.policy.bundle import PolicyBundle
from tuner.policy.document import policy_document
from tuner.policy.embedded import EmbeddedEngine
from tuner.policy.model import PolicyDocument, PolicyInput
from tuner.policy.point import AdmissionInput, RolloutInput
from tuner.policy.waiver import Waiver
from tuner.value import canonical_json

pytestmark = pytest.mark.real
POLICIES = Path(__file__).parents[2] / "policies"
WAIVER = Waiver(rule="evidence.trials", service="orientation", reason="a pool", approver="lead", expires="2026-03-09")


@pytest.fixture(scope="session")
def conftest_program() -> Path:
    return Toolbox().path("conftest")


def judged(program: Path, folder: Path, namespace: str, document: PolicyDocument) -> tuple[int, dict[str, Any]]:
    """Exit code and findings, for the file as it lies in a pull request."""
    file = folder / "document.json"
    file.write_bytes(canonical_json(policy_document(document)).encode() + b"\n")
    command = [str(program), "test", "--policy", str(POLICIES), "--data", str(POLICIES / "data.yaml")]
    command += ["--namespace", namespace, "--output", "json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=folder, env={"HOME": str(folder)})
    (found,) = json.loads(done.stdout)
    return done.returncode, found


def test_what_is_allowed_passes(
    conftest_program: Path, tmp_path: Path, admitted: AdmissionInput, allowed: PolicyInput, planned: RolloutInput
) -> None:
    for namespace, document in (("tuner.admission", admitted), ("tuner.main", allowed), ("tuner.rollout", planned)):
        code, found = judged(conftest_program, tmp_path, namespace, document)
        assert (code, found.get("failures"), found.get("warnings")) == (0, None, None)
        assert found["successes"] > 0


def test_it_says_what_the_service_says(
    conftest_program: Path, tmp_path: Path, allowed: PolicyInput, default_bundle: PolicyBundle
) -> None:
    document = allowed.model_copy(update={"trials": 1, "blocks": 1, "waivers": (WAIVER,)})
    verdict = EmbeddedEngine(default_bundle).decide(document)
    code, found = judged(conftest_program, tmp_path, "tuner.main", document)
    assert code == 1
    assert {each["msg"] for each in found["failures"]} == {denial.msg for denial in verdict.denials}
    assert {each["msg"] for each in found["warnings"]} == {warning.msg for warning in verdict.warnings}
    (failure,) = found["failures"]
    assert failure["metadata"]["id"] == "evidence.blocks"
    assert failure["metadata"]["remedy"] == "raise the budget"
