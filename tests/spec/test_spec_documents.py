"""The schema, the reference, the first spec, and which files are specs."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tuner.errors import UserError
from tuner.spec.find import find_specs
from tuner.spec.loading import load_spec
from tuner.spec.reference import reference
from tuner.spec.schema import json_schema
from tuner.spec.starter import Suggestion, starter_spec, starting_point

_SCHEMA = json_schema()
_VALIDATOR = Draft202012Validator(_SCHEMA)


class TestSchema:
    def test_it_is_a_schema_of_the_stated_draft(self) -> None:
        Draft202012Validator.check_schema(_SCHEMA)
        assert _SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        assert _SCHEMA["$id"] == "urn:tuner:v1alpha1:TuningSpec"

    def test_it_accepts_every_good_example(self, examples: Path) -> None:
        for path in sorted((examples / "good").iterdir()):
            errors = [error.message for error in _VALIDATOR.iter_errors(yaml.safe_load(path.read_text()))]
            assert not errors, (path.name, errors)

    @pytest.mark.parametrize(
        "name",
        [
            "unknown-key",
            "unknown-section",
            "missing-key",
            "unit-missing",
            "unit-of-money",
            "goal-unknown",
            "parameter-name",
            "path-leaves-repository",
            "path-absolute",
            "target-argument",
            "percentile-unknown",
            "number-out-of-bounds",
            "payload-without-inputs",
            "empty-value",
        ],
    )
    def test_it_refuses_what_an_editor_can_see(self, name: str, examples: Path) -> None:
        document = yaml.safe_load((examples / "bad" / f"{name}.yaml").read_text())
        assert not _VALIDATOR.is_valid(document)

    def test_every_key_is_described(self) -> None:
        for name, section in (*_SCHEMA["$defs"].items(), ("TuningSpec", _SCHEMA)):
            assert section["description"], name
            for key, node in section["properties"].items():
                assert node.get("description") or "$ref" in str(node), (name, key)


def test_the_reference_is_up_to_date(examples: Path, page: Path) -> None:
    example = (examples / "good" / "tuning-complete.yaml").read_bytes()
    advice = "run python -m tuner.spec.reference configs/examples/good/tuning-complete.yaml > docs/spec.md"
    assert page.read_text() == reference(example), advice


def test_the_reference_explains_every_key(page: Path) -> None:
    text = page.read_text()
    for section in (*_SCHEMA["$defs"].values(), _SCHEMA):
        for key in section["properties"]:
            assert f"| `{key}` |" in text


_MANIFEST = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {answer: yes}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: Text.Orientation
spec:
  template:
    spec:
      containers:
        - name: triton
          image: nvcr.io/nvidia/tritonserver@sha256:abc
          resources: {limits: {cpu: "1", memory: 1Gi}}
        - name: sidecar
          image: envoy
"""
_KNOBS = (
    Suggestion("max_batch_size", "1, 2, 4", "Most requests\nin one batch."),
    Suggestion("instance_count", "1 to 8"),
)


class TestStarter:
    def test_it_loads_as_it_is(self) -> None:
        text = starter_spec(_MANIFEST.encode(), "configs/x/deployment.yaml", _KNOBS, "triton")
        service = load_spec(text.encode(), "tuning.yaml").spec.service
        assert (service.engine, service.manifest, service.container) == ("triton", "deployment.yaml", "triton")
        assert load_spec(text.encode(), "tuning.yaml").spec.metadata.name == "text-orientation"
        assert "max_batch_size: {}  # 1, 2, 4. Most requests in one batch." in text
        assert "#   memory is 1Gi now" in text

    def test_a_rollout_with_one_container_needs_no_name(self) -> None:
        rollout = _MANIFEST.replace("Deployment", "Rollout").partition("        - name: sidecar")[0]
        assert starting_point(rollout.encode(), "m.yaml").container == "triton"

    @pytest.mark.parametrize(
        ("manifest", "container", "message"),
        [
            (_MANIFEST, None, r"m\.yaml:13:7: the workload has 2 containers \(name the one .*: triton, sidecar\)"),
            (_MANIFEST, "tritn", r"m\.yaml:13:7: the workload has no container 'tritn' \(did you mean triton\?\)"),
            (_MANIFEST, "sidecar", "the engine of the container sidecar is not told"),
            ("kind: Service", None, "there is no Deployment or Rollout in this file"),
            ("", None, "there is no Deployment or Rollout in this file"),
            (_MANIFEST + "---\nkind: Rollout\n", None, r"m\.yaml:20:1: there are several workloads"),
            ("kind: Deployment", None, "the workload has no container with a name"),
            ("kind: Deployment\nspec: {template: [1]}", None, "the workload has no container with a name"),
            ("{{ .Values.kind }}", None, "m.yaml:1:"),
            (_MANIFEST.replace("name: triton", 'name: "a\\nb: c"'), "a\nb: c", "no spec can be written"),
        ],
    )
    def test_what_it_cannot_start_from(self, manifest: str, container: str | None, message: str) -> None:
        with pytest.raises(UserError, match=message):
            starter_spec(manifest.encode(), "m.yaml", _KNOBS, container)

    @given(st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30))
    def test_no_name_in_the_manifest_writes_anything_else_into_the_spec(self, name: str, file: str) -> None:
        manifest = yaml.safe_dump(
            {
                "kind": "Deployment",
                "metadata": {"name": name},
                "spec": {
                    "template": {"spec": {"containers": [{"name": "triton", "resources": {"limits": {name: file}}}]}}
                },
            }
        )
        try:
            text = starter_spec(manifest.encode(), file, _KNOBS)
        except UserError:
            return
        spec = load_spec(text.encode(), "t.yaml").spec
        assert set(spec.parameters) == {"max_batch_size", "instance_count"}
        assert spec.service.container == "triton"


class TestFind:
    def test_a_folder_gives_its_specs_in_order(self, tmp_path: Path) -> None:
        for name in ("b/tuning.yaml", "a/tuning-large.yml", "a/other.yaml", ".git/tuning.yaml", "a/tuning.txt"):
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.touch()
        named = tmp_path / "a" / "other.yaml"
        found = find_specs([tmp_path, named, tmp_path / "a"])
        assert [str(path.relative_to(tmp_path)) for path in found] == [
            "a/tuning-large.yml",
            "b/tuning.yaml",
            "a/other.yaml",
        ]

    def test_what_is_missing_or_a_link_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "links").mkdir()
        (tmp_path / "empty").mkdir()
        (tmp_path / "links" / "tuning.yaml").symlink_to("/etc/passwd")
        with pytest.raises(UserError) as caught:
            find_specs(
                [tmp_path / "links", tmp_path / "empty", tmp_path / "nothing", tmp_path / "links" / "tuning.yaml"]
            )
        what = [problem.what for problem in caught.value.problems]
        assert what == [
            "this is a symbolic link",
            "there is no spec in this folder",
            "there is no such file or folder",
            "this is a symbolic link",
        ]

    def test_a_linked_folder_is_not_entered(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "real" / "tuning.yaml").touch()
        (tmp_path / "real" / "again").symlink_to(tmp_path / "real")
        assert find_specs([tmp_path / "real"]) == (tmp_path / "real" / "tuning.yaml",)
