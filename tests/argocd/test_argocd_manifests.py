"""The Argo CD manifests belong together and to the service that they sync."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]


def load(name: str) -> Any:
    return yaml.safe_load((ROOT / "argocd" / name).read_text(encoding="utf-8"))


@pytest.fixture
def project() -> Any:
    return load("project.yaml")["spec"]


@pytest.fixture
def application() -> Any:
    return load("text-orientation.yaml")["spec"]


def test_the_application_may_do_what_it_asks_for(project: Any, application: Any) -> None:
    assert application["project"] == load("project.yaml")["metadata"]["name"]
    assert application["source"]["repoURL"] in project["sourceRepos"]
    assert application["destination"] in project["destinations"]


def test_it_syncs_the_manifest_that_the_spec_names_and_not_the_spec(application: Any) -> None:
    source = application["source"]
    spec = yaml.safe_load((ROOT / source["path"] / "tuning.yaml").read_text(encoding="utf-8"))
    assert source["directory"]["include"] == spec["service"]["manifest"]


def test_every_kind_of_the_manifest_is_allowed(project: Any, application: Any) -> None:
    allowed = {(entry["group"], entry["kind"]) for entry in project["namespaceResourceWhitelist"]}
    source = application["source"]
    manifest = (ROOT / source["path"] / source["directory"]["include"]).read_text(encoding="utf-8")
    for document in yaml.safe_load_all(manifest):
        group, _, version = document["apiVersion"].rpartition("/")
        assert version
        assert (group, document["kind"]) in allowed


def test_the_cluster_follows_git_and_nothing_else(application: Any) -> None:
    assert application["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}
