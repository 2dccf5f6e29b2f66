"""Equal input gives equal bytes, whatever the order of mappings, the process or the machine's settings."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tuner.report.document import Report, render
from tuner.report.model import ReportInput

Build = Callable[..., ReportInput]

PROGRAM = """
import hashlib, sys
from pathlib import Path
from tuner.report.document import render
from tuner.report.model import ReportInput
made = render(ReportInput.from_json(Path(sys.argv[1]).read_text("utf-8")))
whole = hashlib.sha256((made.title + made.body + made.page).encode())
for name, raw in sorted(made.figures.items()):
    whole.update(name.encode() + raw)
print(whole.hexdigest())
"""


def digest(made: Report) -> str:
    whole = hashlib.sha256((made.title + made.body + made.page).encode())
    for name, raw in sorted(made.figures.items()):
        whole.update(name.encode() + raw)
    return whole.hexdigest()


@pytest.mark.parametrize("ending", ["keep", "denied-then-next"])
def test_made_again_from_its_store_it_is_the_same(build: Build, ending: str) -> None:
    report = build(ending)
    assert render(ReportInput.from_json(report.to_json())) == render(report)


def test_the_order_of_mappings_does_not_matter(build: Build) -> None:
    report = build()
    assert report.importance is not None
    turned = build(
        costs=dict(reversed(report.costs.items())),
        importance=report.importance.model_copy(update={"shares": dict(reversed(report.importance.shares.items()))}),
    ).model_copy(
        update={
            "trials": report.trials[::-1],
            "audit": report.audit.model_copy(update={"trials": dict(reversed(report.audit.trials.items()))}),
        }
    )
    assert digest(render(turned)) == digest(render(report))


def test_another_process_with_its_own_settings_makes_the_same(build: Build, tmp_path: Path) -> None:
    report = build()
    stored = tmp_path / "campaign.json"
    stored.write_text(report.to_json(), encoding="utf-8")
    (tmp_path / "matplotlibrc").write_text("font.size: 30\naxes.facecolor: red\nlines.linewidth: 9\n")
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONHASHSEED": "7",
        "MATPLOTLIBRC": str(tmp_path / "matplotlibrc"),
        "MPLCONFIGDIR": str(tmp_path),
        "TZ": "Asia/Tokyo",
        "LC_ALL": "C.UTF-8",
    }
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(stored)], env=environment, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == digest(render(report))
