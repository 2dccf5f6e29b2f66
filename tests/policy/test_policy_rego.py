"""The default policies by OPA's own tools: formatted, strictly checked, tested and linted."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from testbed.toolbox import Toolbox
from tuner.policy.bundle import PolicyBundle

pytestmark = pytest.mark.real
POLICIES = Path(__file__).parents[2] / "policies"


def run(program: Path, *arguments: str) -> str:
    """Standard output; a failure shows everything that the program said."""
    command = [str(program), *arguments]
    environment = {"PATH": os.defpath, "HOME": os.environ["HOME"], "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=POLICIES, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_policies_are_formatted(opa_program: Path) -> None:
    assert run(opa_program, "fmt", "--fail", "--list", ".") == ""


def test_the_policies_pass_the_strict_check(opa_program: Path) -> None:
    run(opa_program, "check", "--strict", "--bundle", ".")


def test_the_policies_tests_pass_and_cover_them(opa_program: Path) -> None:
    assert "PASS: " in run(opa_program, "test", "--bundle", ".")
    coverage = json.loads(run(opa_program, "test", "--bundle", ".", "--coverage", "--threshold", "95"))
    assert coverage["coverage"] >= 95


def test_the_policies_have_nothing_to_lint() -> None:
    run(Toolbox().path("regal"), "lint", "--format", "json", ".")


def test_opa_reads_the_data_as_we_do(opa_program: Path) -> None:
    read = json.loads(run(opa_program, "eval", "--bundle", ".", "--format", "json", "[data.packages, data.limits]"))
    packages, limits = read["result"][0]["expressions"][0]["value"]
    assert {"packages": packages, "limits": limits} == json.loads(PolicyBundle.default().data)


def test_every_concern_has_tests_beside_it() -> None:
    for rules in (file for file in POLICIES.rglob("*.rego") if not file.stem.endswith("_test")):
        assert rules.with_name(f"{rules.stem}_test.rego").is_file()
