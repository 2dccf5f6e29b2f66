"""What a person sees of a server's log."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuner.trial.excerpt import log_excerpt, mentions_port_in_use


def excerpt_of(folder: Path, text: str) -> list[str]:
    log = folder / "server.log"
    log.write_text(text)
    return log_excerpt(log).splitlines()


def test_a_short_log_is_shown_whole(tmp_path: Path) -> None:
    assert excerpt_of(tmp_path, "one\n\n  two\n+-----+\n") == ["one", "  two"]


def test_errors_before_a_long_shutdown_are_kept(tmp_path: Path) -> None:
    noise = "".join(f"closing thing {number}\n" for number in range(100))
    lines = excerpt_of(tmp_path, f"starting\nE1123 09:00:00 model.cc:77] Internal: no such file\n{noise}")
    assert len(lines) == 8
    assert "no such file" in lines[0]
    assert lines[-1] == "closing thing 99"


def test_terminal_control_and_repeats_are_dropped(tmp_path: Path) -> None:
    assert excerpt_of(tmp_path, "\x1b[31mred\x1b[0m\a\n" + "again\n" * 50) == ["red", "again"]


def test_secrets_are_taken_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_TOKEN", "tr0ub4dor&3")
    assert "tr0ub4dor" not in "".join(excerpt_of(tmp_path, "cannot fetch with tr0ub4dor&3\n"))


def test_no_log_is_no_excerpt(tmp_path: Path) -> None:
    assert log_excerpt(tmp_path / "none") == ""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=4000), st.integers(1, 60))
def test_an_excerpt_is_bounded_whatever_the_server_writes(tmp_path: Path, raw: bytes, times: int) -> None:
    log = tmp_path / "server.log"
    log.write_bytes(raw * times)
    text = log_excerpt(log)
    assert len(text.splitlines()) <= 8
    assert all(len(line) <= 240 and line.isprintable() for line in text.splitlines())


@pytest.mark.parametrize(
    "line",
    [
        "OSError: Address already in use",
        "Socket '127.0.0.1:8000' already in use",
        "listen EADDRINUSE: :::80",
    ],
)
def test_a_taken_port_is_recognised(tmp_path: Path, line: str) -> None:
    log = tmp_path / "server.log"
    log.write_text(f"starting\n{line}\n")
    assert mentions_port_in_use(log)
    log.write_text("starting\n")
    assert not mentions_port_in_use(log)
