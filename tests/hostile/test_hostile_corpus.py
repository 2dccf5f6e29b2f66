"""Whatever strangers write, a door answers soon, in little memory, in one line that names its place."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.hostile.child import MEMORY
from testbed.hostile.corpus import FAMILIES, family
from testbed.hostile.door import Door, complaint
from tuner.errors import Problem, UserError

_ROOT = Path(__file__).parents[2]


def test_the_corpus_is_large_the_same_every_time_and_knows_each_input_by_a_name() -> None:
    once, again = ([(entry.name, len(entry.raw)) for entry in family("waivers")] for _ in range(2))
    assert once == again
    assert len({name for name, _ in once}) == len(once)


@pytest.mark.parametrize("families", [FAMILIES[:2], FAMILIES[2:3], FAMILIES[3:9], FAMILIES[9:]], ids=" ".join)
def test_no_input_crashes_hangs_swells_or_goes_unplaced(families: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "testbed.hostile.child", *families],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["door"] for each in told] == list(families)
    assert [wrong for each in told for wrong in each["complaints"]] == []
    assert all(each["peak"] <= MEMORY for each in told)
    assert sum(each["inputs"] for each in told) >= 350


def _door(message: str, file: str = "f.yaml") -> Door:
    def knock(_raw: bytes) -> None:
        raise UserError(Problem(message, file=file, line=2, column=3))

    return Door("test", knock, "f.yaml")


def test_the_judge_sees_a_crash_and_a_missing_place() -> None:
    def crash(_raw: bytes) -> None:
        raise LookupError("x")

    assert complaint(_door("wrong"), b"") is None
    assert "does not say where" in (complaint(_door("wrong", "other.yaml"), b"") or "")
    assert "LookupError" in (complaint(Door("test", crash), b"") or "")


def test_a_message_stays_one_line_whatever_it_repeats() -> None:
    line = str(Problem("a\x1b[31m\nb\u202e" + "x" * 5_000, "fix\r", "f\nile"))
    assert line.isprintable()
    assert len(line) < 1_000
