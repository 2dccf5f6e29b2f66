"""The chain while it is written: what was appended is there, whatever happens to the process or the disk."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.errors import PermanentError, TemporaryError
from tuner.ledger.chain import Ledger, continue_chain, read_chain
from tuner.ledger.inspection import inspect
from tuner.ledger.record import Record, genesis, timestamp

CAMPAIGN = "orientation-3f2a91c0"
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
bodies = st.dictionaries(st.text(), json_values, max_size=5)


def test_a_record_is_chained_to_the_one_before(tmp_path: Path, clock: Callable[[], datetime]) -> None:
    with Ledger.open(tmp_path / "c.jsonl", CAMPAIGN, clock=clock) as ledger:
        first, second = ledger.append("begun", {"n": 1}), ledger.append("ended", {"n": 2})
    assert first.previous == genesis(CAMPAIGN)
    assert second.previous == first.hash
    assert (first.seq, second.seq) == (1, 2)
    assert first.time == "2026-03-01T12:00:00.000Z"
    assert second.time == "2026-03-01T12:00:00.250Z"


def test_opening_again_continues_the_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit" / "service" / "c.jsonl"
    with Ledger.open(path, CAMPAIGN) as ledger:
        assert ledger.head is None
        ledger.append("begun", {})
    with Ledger.open(path, CAMPAIGN) as ledger:
        ledger.append("ended", {})
        assert [record.kind for record in ledger.records()] == ["begun", "ended"]
        assert ledger.head == ledger.records()[-1]
        assert path.read_bytes() == ledger.content()
    assert read_chain(path.read_bytes()) == ledger.records()


@given(st.lists(bodies, min_size=1, max_size=4))
def test_any_json_body_survives(several: list[dict[str, object]]) -> None:
    record = None
    raw = b""
    for body in several:
        record = Record.after(record, CAMPAIGN, "event", body, timestamp())
        raw += record.line()
        assert json.loads(record.line())["body"] == body
    assert [read.body for read in read_chain(raw)] == several
    assert raw == b"".join(read.line() for read in read_chain(raw))


@pytest.mark.parametrize(
    "body",
    [{"x": float("nan")}, {"x": float("inf")}, {"x": "\ud800"}, {"x": (1, 2)}, {1: 2}, {"x": object()}, {"x": b""}],
)
def test_a_body_that_json_cannot_carry_is_refused_and_nothing_is_written(
    tmp_path: Path, body: dict[str, object]
) -> None:
    with Ledger.open(tmp_path / "c.jsonl", CAMPAIGN) as ledger:
        ledger.append("begun", {})
        before = ledger.path.read_bytes()
        with pytest.raises(ValueError, match=r".+"):
            ledger.append("event", body)
        assert ledger.path.read_bytes() == before


def test_a_body_nested_without_end_is_refused(tmp_path: Path) -> None:
    deep: dict[str, object] = {}
    for _ in range(5000):
        deep = {"x": deep}
    with Ledger.open(tmp_path / "c.jsonl", CAMPAIGN) as ledger, pytest.raises(ValueError, match="plain JSON"):
        ledger.append("event", deep)


@pytest.mark.parametrize("campaign", ["", "../up", "a/b", "a b", 'a"b', "a\n"])
def test_a_campaign_whose_name_is_no_file_name_is_refused(tmp_path: Path, campaign: str) -> None:
    with Ledger.open(tmp_path / "c.jsonl", campaign) as ledger, pytest.raises(ValueError, match="campaign"):
        ledger.append("event", {})


def test_a_line_torn_at_any_byte_is_cut_off_and_kept_aside(tmp_path: Path, chain: bytes) -> None:
    lines = chain.splitlines(keepends=True)
    whole, last = b"".join(lines[:-1]), lines[-1]
    for size in range(1, len(last)):
        path = tmp_path / f"torn-{size}" / "c.jsonl"
        path.parent.mkdir()
        path.write_bytes(whole + last[:size])
        with Ledger.open(path, CAMPAIGN) as ledger:
            assert len(ledger.records()) == 3
            assert path.read_bytes() == whole
            ledger.append("resumed", {})
        assert inspect(path.read_bytes()).ok
        assert path.with_name("c.jsonl.torn-1").read_bytes() == last[:size]


def test_every_torn_line_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    for torn in (b"one", b"two"):
        with path.open("ab") as file:
            file.write(torn)
        Ledger.open(path, CAMPAIGN).close()
    assert [path.with_name(f"c.jsonl.torn-{n}").read_bytes() for n in (1, 2)] == [b"one", b"two"]


def test_a_chain_broken_elsewhere_is_refused_and_left_alone(tmp_path: Path, chain: bytes) -> None:
    lines = chain.splitlines(keepends=True)
    path = tmp_path / "c.jsonl"
    for broken in (lines[0] + lines[2], lines[1], chain.replace(b"523.25", b"999.25"), b"\n" + chain, chain + b"\n"):
        path.write_bytes(broken)
        with pytest.raises(PermanentError, match="is broken"):
            Ledger.open(path, CAMPAIGN)
        assert path.read_bytes() == broken


def test_the_chain_of_another_campaign_is_refused(tmp_path: Path, chain: bytes) -> None:
    path = tmp_path / "c.jsonl"
    path.write_bytes(chain)
    with pytest.raises(PermanentError, match="belongs to orientation"):
        Ledger.open(path, "another")


def test_a_path_that_is_no_file_of_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "elsewhere.jsonl")
    for name in ("link.jsonl", "."):
        with pytest.raises(PermanentError, match="cannot be opened"):
            Ledger.open(tmp_path / name, CAMPAIGN)
    assert not (tmp_path / "elsewhere.jsonl").exists()


def test_a_closed_ledger_takes_nothing(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "c.jsonl", CAMPAIGN)
    ledger.close()
    ledger.close()
    with pytest.raises(PermanentError, match="closed"):
        ledger.append("event", {})


WRITER = """
import sys
from pathlib import Path
from tuner.ledger.chain import Ledger
with Ledger.open(Path(sys.argv[1]), sys.argv[2]) as ledger:
    while True:
        print(ledger.append("event", {"text": "x" * 5000}).seq, flush=True)
"""


def _writer(path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), CAMPAIGN]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_processes_never_write_one_ledger(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    with _writer(path) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(TemporaryError, match="another process writes"):
            Ledger.open(path, CAMPAIGN)
        other.kill()
    with Ledger.open(path, CAMPAIGN) as ledger:
        assert ledger.append("resumed", {}).seq >= 2
    with Ledger.open(path, CAMPAIGN), pytest.raises(TemporaryError):
        Ledger.open(path, CAMPAIGN)


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    acknowledged = 0
    for records in (1, 4, 9):
        with _writer(path) as other:
            assert other.stdout is not None
            for _ in range(records):
                acknowledged = int(other.stdout.readline())
            other.send_signal(signal.SIGKILL)
            acknowledged = max([acknowledged, *map(int, re.findall(r"^\d+\n", other.stdout.read(), re.MULTILINE))])
        with Ledger.open(path, CAMPAIGN) as ledger:
            assert len(ledger.records()) >= acknowledged
    assert inspect(path.read_bytes()).ok


@contextmanager
def _no_file_above(size: int) -> Iterator[None]:
    """No file of this process may grow beyond ``size`` bytes: a write stops there as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_fills_at_any_byte_leaves_a_valid_chain(tmp_path: Path, clock: Callable[[], datetime]) -> None:
    path = tmp_path / "c.jsonl"
    with Ledger.open(path, CAMPAIGN, clock=clock) as ledger:
        ledger.append("begun", {"text": "x" * 300})
        before = path.read_bytes()
        size = len(Record.after(ledger.head, CAMPAIGN, "event", {"n": 1}, timestamp()).line())
        for room in range(size):
            with _no_file_above(len(before) + room), pytest.raises(TemporaryError, match="cannot grow") as caught:
                ledger.append("event", {"n": 1})
            assert caught.value.delay > 0
            assert path.read_bytes() == before
        assert ledger.append("event", {"n": 1}).seq == 2
    assert inspect(path.read_bytes()).ok


@pytest.mark.real
def test_a_device_without_space_is_a_temporary_error(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "c.jsonl", CAMPAIGN) as ledger:
        ledger.append("begun", {})
        full = os.open("/dev/full", os.O_WRONLY)
        kept, ledger._handle = ledger._handle, full
        with pytest.raises(TemporaryError, match="No space left"):
            ledger.append("event", {})
        ledger._handle = kept
        if kept is not None:
            ledger.close()


def test_a_chain_is_continued_on_bytes_alone(chain: bytes) -> None:
    longer = continue_chain(chain, "merged", {"commit": "abc"}, time=datetime(2026, 3, 2, tzinfo=UTC))
    assert longer.startswith(chain)
    records = read_chain(longer)
    assert records[-1].kind == "merged"
    assert records[-1].campaign == CAMPAIGN
    assert records[-1].time == "2026-03-02T00:00:00.000Z"


@pytest.mark.parametrize("cut", [0, 5, -1])
def test_a_broken_or_empty_chain_is_not_continued(chain: bytes, cut: int) -> None:
    with pytest.raises(PermanentError):
        continue_chain(chain[:cut], "merged", {})


@settings(max_examples=50)
@given(st.binary(max_size=400))
def test_no_bytes_make_the_inspection_fail(raw: bytes) -> None:
    assert inspect(raw).ok == (raw == b"")


def test_a_line_nested_without_end_is_found() -> None:
    assert not inspect(b"[" * 100_000 + b"\n").ok
    assert not inspect(b'{"body":' * 100_000 + b"\n").ok
