"""Logs are lines of JSON that name their campaign and trace, and never a secret."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tuner.errors import TemporaryError
from tuner.telemetry.logs import campaign_log, configure_logs, logger
from tuner.telemetry.tracing import configure_tracing, flush, span


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    before = {name: (logging.getLogger(name).level, list(logging.getLogger(name).handlers)) for name in ("", "tuner")}
    configure_logs(style="json", stream=stream)
    yield stream
    for name, (level, handlers) in before.items():
        logging.getLogger(name).setLevel(level)
        logging.getLogger(name).handlers[:] = handlers
    logging.getLogger("tuner").propagate = True


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_line_says_what_when_where_and_how_bad(stream: io.StringIO) -> None:
    logger("trial").warning("trial ended", trial=7, outcome="failed")
    (line,) = lines(stream.getvalue())
    assert (line["event"], line["level"], line["logger"]) == ("trial ended", "warning", "tuner.trial")
    assert (line["trial"], line["outcome"]) == (7, "failed")
    assert line["timestamp"].endswith("Z")


def test_a_campaign_is_named_on_every_line_and_has_its_own_file(stream: io.StringIO, tmp_path: Path) -> None:
    log = logger("campaign")
    log.info("before")
    with campaign_log("text-orientation-1a2b3c4", tmp_path / "campaign"):
        log.info("within")
        logging.getLogger("tuner.other").warning("from the standard library")
    log.info("after")
    named = [(line["event"], line.get("campaign")) for line in lines(stream.getvalue())]
    campaign = "text-orientation-1a2b3c4"
    within = [("within", campaign), ("from the standard library", campaign)]
    assert named == [("before", None), *within, ("after", None)]
    kept = lines((tmp_path / "campaign/tuner.log").read_text())
    assert [(line["event"], line["campaign"]) for line in kept] == within


def test_the_file_keeps_what_the_screen_leaves_out(tmp_path: Path, stream: io.StringIO) -> None:
    configure_logs(level="error", style="json", stream=stream)
    with campaign_log("c", tmp_path):
        logger("campaign").info("step")
    assert stream.getvalue() == ""
    assert [line["event"] for line in lines((tmp_path / "tuner.log").read_text())] == ["step"]


def test_a_resumed_campaign_continues_its_file(tmp_path: Path, stream: io.StringIO) -> None:
    for event in ("first", "second"):
        with campaign_log("c", tmp_path):
            logger("campaign").info(event)
    assert [line["event"] for line in lines((tmp_path / "tuner.log").read_text())] == ["first", "second"]


def test_a_line_within_a_span_carries_the_trace(stream: io.StringIO) -> None:
    configure_tracing("console", stream=io.StringIO())
    with span("trial") as current:
        logger("trial").info("measuring")
    flush()
    (line,) = lines(stream.getvalue())
    assert line["trace_id"] == f"{current.get_span_context().trace_id:032x}"
    assert line["span_id"] == f"{current.get_span_context().span_id:016x}"


@pytest.mark.parametrize("style", ["json", "text"])
def test_no_secret_is_written(stream: io.StringIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, style: Any) -> None:
    monkeypatch.setenv("FORGE_TOKEN", "ex4ctly-th1s-value")
    configure_logs(style=style, stream=stream)
    with campaign_log("c", tmp_path):
        log = logger("forge")
        log.info("calling https://tuner:pass-in-url@forge/", headers={"Authorization": "Bearer in-the-header"})
        log.info("nested", values=["ex4ctly-th1s-value", {"password": "in-a-mapping"}])
        logging.getLogger("tuner.library").error("failed with %s", "ex4ctly-th1s-value")
        try:
            raise RuntimeError("refused: token=in-the-exception")
        except RuntimeError:
            log.exception("giving up")
    for written in (stream.getvalue(), (tmp_path / "tuner.log").read_text()):
        assert "giving up" in written
        assert "RuntimeError" in written
        for secret in ("ex4ctly", "pass-in-url", "in-the-header", "in-a-mapping", "in-the-exception"):
            assert secret not in written


def test_people_get_text_without_colours_where_it_is_no_terminal(stream: io.StringIO) -> None:
    configure_logs(style="text", stream=stream)
    logger("trial").info("trial ended", trial=7)
    assert "trial ended" in stream.getvalue()
    assert "trial=7" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_configuring_again_replaces_the_destination(stream: io.StringIO) -> None:
    other = io.StringIO()
    configure_logs(style="json", stream=other)
    logger("trial").info("once")
    assert stream.getvalue() == ""
    assert len(lines(other.getvalue())) == 1


def test_warnings_of_libraries_are_shown_and_their_chatter_is_not(stream: io.StringIO) -> None:
    logging.getLogger("some.library").info("chatter")
    logging.getLogger("some.library").warning("careful")
    assert [line["event"] for line in lines(stream.getvalue())] == ["careful"]


def test_a_file_that_cannot_be_opened_is_said(tmp_path: Path, stream: io.StringIO) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TemporaryError, match=r"cannot write .*tuner\.log"), campaign_log("c", tmp_path / "file"):
        pass


def test_a_disk_that_fills_loses_lines_only(
    tmp_path: Path, stream: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tuner.log").symlink_to("/dev/full")
    with campaign_log("c", tmp_path):
        logger("campaign").info("goes on")
    assert [line["event"] for line in lines(stream.getvalue())] == ["goes on"]
    assert capsys.readouterr().err == ""
