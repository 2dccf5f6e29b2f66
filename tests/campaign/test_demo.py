"""``make demo``, twice: a real Triton under real load becomes a pull request, and the second run finds it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed import demo, serving
from tests.campaign.service import Service

pytestmark = [pytest.mark.campaign, pytest.mark.real, pytest.mark.timeout(900)]


def test_the_demo_ends_with_a_pull_request_and_its_second_run_finds_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert demo.main([str(tmp_path)]) == 0
    printed = capfd.readouterr().out
    service = Service(tmp_path)
    repository = tmp_path / "repository.git"
    (row,) = json.loads(service.tuner("status", "--repo", str(repository), "--json").stdout)
    assert row["result"] == "proposed", printed
    for told in ("measured", "policies", "pull request", "report", "tuner audit verify"):
        assert told in printed
    pulls = service.tuner("pr", "list", "--repo", str(repository), "--json").stdout
    assert len(json.loads(pulls)) == 1
    assert "intact" in service.tuner("audit", "verify", row["campaign"], "--repo", str(repository)).stdout

    assert demo.main([str(tmp_path)]) == 0
    again = capfd.readouterr().out
    assert again == printed
    assert service.tuner("pr", "list", "--repo", str(repository), "--json").stdout == pulls


def test_the_baseline_is_what_triton_does_by_default() -> None:
    """The demo's manifest sets nothing that is tuned."""
    text = (demo.SERVICE / "deployment.yaml").read_text(encoding="utf-8")
    for key in ("instance_group", "dynamic_batching", "intra_op", "preferred_batch_size"):
        assert key not in text
    assert serving.LOCK.is_file()
