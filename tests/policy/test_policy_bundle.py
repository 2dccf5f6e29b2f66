"""Policies as files: what belongs to a bundle, what its revision depends on, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tuner.errors import UserError
from tuner.policy.bundle import PolicyBundle
from tuner.policy.embedded import check_policies

RULE = b"package tuner.main\n\nallow := true\n"
POLICIES = Path(__file__).parents[2] / "policies"


def test_the_default_bundle_has_the_rules_and_data_and_no_tests() -> None:
    bundle = PolicyBundle.default()
    assert set(bundle.modules) == {
        str(file.relative_to(POLICIES)) for file in POLICIES.rglob("*.rego") if not file.stem.endswith("_test")
    }
    assert set(json.loads(bundle.data)["packages"]) == {"admission", "recommendation", "rollout"}
    check_policies(bundle)


def test_data_lies_under_the_path_of_its_folder() -> None:
    files = {"a.rego": RULE, "data.yaml": b"x: 1\ny: {z: 2}\n", "y/data.json": b'{"w": 3}', "y/v/data.yml": b"u: [4]\n"}
    assert json.loads(PolicyBundle.load(files).data) == {"x": 1, "y": {"z": 2, "w": 3, "v": {"u": [4]}}}


def test_the_revision_depends_on_rules_and_data_and_nothing_else() -> None:
    def revision(**changes: bytes) -> str:
        return PolicyBundle.load({"a.rego": RULE, "data.yaml": b"x: 1\n", **changes}).revision

    assert revision() == revision(**{"README.md": b"words", "a_test.rego": b"package x", "quota.yaml": b"y: 1\n"})
    assert revision() == revision(**{"data.yaml": b"# a comment\nx: 1\n"})
    assert len({revision(), revision(**{"a.rego": RULE + b"\n"}), revision(**{"data.yaml": b"x: 2\n"})}) == 3
    assert revision() != revision(**{"b.rego": RULE})


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "there is no policy"),
        ({"data.yaml": b"x: 1\n"}, "there is no policy"),
        ({"a_test.rego": RULE}, "there is no policy"),
        ({"a.rego": b"package x\n\xff\n"}, "a.rego:2: the file is not UTF-8"),
        ({"a.rego": RULE, "data.yaml": b"x: 1\nx: 2\n"}, "data.yaml:2:1: the key 'x' is a duplicate"),
        (
            {"a.rego": RULE, "data.json": b'{"x": 1, "x": 2}'},
            "data.json: the data is not plain JSON: the key 'x' is a duplicate",
        ),
        ({"a.rego": RULE, "data.yaml": b"- 1\n"}, "data.yaml:1:1: the data is no mapping"),
        ({"a.rego": RULE, "data.yaml": b"x: &a [1]\ny: *a\n"}, "alias or anchor"),
        ({"a.rego": RULE, "data.yaml": b"x: {"}, "this is not YAML"),
        ({"a.rego": RULE, "data.yaml": b"x: 1\n", "data.json": b'{"x": 2}'}, "another data file holds 'x' already"),
        ({"a.rego": RULE, "data.yaml": b"x: 1\n", "x/data.yaml": b"y: 1\n"}, "another data file holds 'x' as a value"),
        ({"a.rego": RULE, "data.json": b'{"x": 1,\n]'}, "data.json:2:1: this is not JSON"),
        ({"a.rego": RULE, "data.json": b'{"x": NaN}'}, "data.json: the data is not plain JSON"),
        ({"a.rego": RULE, "data.json": b'{"x":' * 9999}, "data.json: the data is not plain JSON"),
        ({"a.rego": RULE, "data.json": b"[]"}, "data.json: the data is no mapping"),
        ({"../a.rego": RULE}, "no path below the policies' folder"),
        ({"/a.rego": RULE}, "no path below the policies' folder"),
        ({"a.rego": RULE, "b.txt": bytes(5 * 1024 * 1024)}, "more than the"),
    ],
)
def test_what_is_no_bundle_is_refused(files: dict[str, bytes], message: str) -> None:
    with pytest.raises(UserError) as caught:
        PolicyBundle.load(files)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_mistake_in_a_rule_is_told_with_its_place() -> None:
    with pytest.raises(UserError) as caught:
        check_policies(PolicyBundle.load({"sla/a.rego": b"package tuner.main\n\nallow if {\n  input.x >\n}\n"}))
    (problem,) = caught.value.problems
    assert (problem.file, problem.line) == ("sla/a.rego", 5)
    assert "backtrace" not in str(problem)


def test_a_written_bundle_has_its_revision_in_the_manifest(tmp_path: Path) -> None:
    bundle = PolicyBundle.default()
    bundle.write(tmp_path)
    assert json.loads((tmp_path / ".manifest").read_text())["revision"] == bundle.revision
    files = {str(file.relative_to(tmp_path)): file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert PolicyBundle.load(files) == bundle
