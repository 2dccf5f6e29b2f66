"""`tuner experience`: from one machine into a file, and from the file to another machine."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tuner.cli.app import main
from tuner.experience.model import Earlier
from tuner.experience.store import ExperienceStore, store_url


@dataclass(frozen=True)
class Told:
    """What a command printed."""

    out: str
    err: str


@dataclass(frozen=True)
class Command:
    """The command line, in this process."""

    capture: pytest.CaptureFixture[str]
    patch: pytest.MonkeyPatch

    def __call__(self, state: Path, *arguments: str, expect: int = 0) -> Told:
        self.patch.setattr(sys, "argv", ["tuner", "experience", *arguments, "--state", str(state)])
        with pytest.raises(SystemExit) as ended:
            main()
        told = Told(*self.capture.readouterr())
        assert (ended.value.code or 0) == expect, told
        assert "Traceback" not in told.err
        return told

    def json(self, state: Path, *arguments: str) -> Any:
        return json.loads(self(state, *arguments, "--json").out)


@pytest.fixture
def tuner(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(capsys, monkeypatch)


@pytest.fixture
def state(tmp_path: Path, earlier_of: Callable[..., Earlier]) -> Path:
    """The state folder of a machine on which two services were tuned."""
    folder = tmp_path / "state"
    with ExperienceStore(store_url(folder, None)) as store:
        store.remember("one", earlier_of("echo"))
        store.remember("two", earlier_of("chat", count=2, engine="simulator"))
    return folder


def test_what_one_machine_knows_goes_to_another(tuner: Command, state: Path, tmp_path: Path) -> None:
    file, other = tmp_path / "shipped" / "experience.jsonl", tmp_path / "other"
    assert tuner.json(state, "export", str(file)) == {"file": str(file), "trials": 5}
    assert tuner.json(other, "import", str(file)) == {"file": str(file), "trials": 5, "new": 5}
    assert tuner.json(other, "import", str(file))["new"] == 0
    assert tuner.json(other, "list") == tuner.json(state, "list")
    again = tmp_path / "again.jsonl"
    tuner(other, "export", str(again))
    assert again.read_bytes() == file.read_bytes()


def test_one_service_is_exported_alone(tuner: Command, state: Path, tmp_path: Path) -> None:
    file = tmp_path / "experience.jsonl"
    assert tuner.json(state, "export", str(file), "--service", "chat")["trials"] == 2
    assert "echo" not in file.read_text()


def test_the_list_says_what_is_known(tuner: Command, state: Path) -> None:
    assert tuner.json(state, "list")[1] == {
        "service": "echo",
        "engine": "triton",
        "hardware": "a machine",
        "load": "http",
        "trials": 3,
        "failed": 0,
        "metrics": ["capacity"],
        "newest": 0.0,
    }
    shown = tuner(state, "list").out
    assert "echo" in shown
    assert "a machine" in shown


def test_nothing_is_known_at_first(tuner: Command, tmp_path: Path) -> None:
    assert tuner.json(tmp_path / "new", "list") == []
    assert "nothing is known yet" in tuner(tmp_path / "new", "list").out


def test_a_service_is_forgotten(tuner: Command, state: Path) -> None:
    assert tuner.json(state, "forget", "echo") == {"service": "echo", "trials": 3}
    assert [row["service"] for row in tuner.json(state, "list")] == ["chat"]
    assert "nothing is known of a service 'echo'" in tuner(state, "forget", "echo", expect=2).err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("export", "FILE", "--service", "nobody"), "'nobody'"),
        (("export", "/proc/none/experience.jsonl"), "cannot write"),
        (("import", "/none.jsonl"), "cannot be read"),
        (("import", "FILE"), "FILE:2:1: trial.readings.0.value"),
        (("list", "--storage", "mysql://db/x"), "postgresql://"),
    ],
)
def test_a_mistake_is_one_line(
    tuner: Command, state: Path, tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    file = tmp_path / "experience.jsonl"
    tuner(state, "export", str(file))
    file.write_text(file.read_text().replace("100.0", "-100.0", 1))
    lines = file.read_text().splitlines()
    wrong = next(index for index, line in enumerate(lines) if "-100.0" in line)
    file.write_text("\n".join([lines[0], lines[wrong]]))
    named = [str(file) if argument == "FILE" else argument for argument in arguments]
    shown = tuner(state, *named, expect=2).err
    assert told.replace("FILE", str(file)) in shown
    assert len(shown.splitlines()) == 1


def test_a_database_that_does_not_answer_says_try_again(tuner: Command, tmp_path: Path) -> None:
    url = f"postgresql://tuner:secret@/none?host={tmp_path}"
    shown = tuner(tmp_path, "list", "--storage", url, expect=4).err
    assert "secret" not in shown
