"""A file of experience: what is written is read, whatever it is; what is wrong is named with its line."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.errors import Problem, UserError
from tuner.experience.database import sqlite_url
from tuner.experience.exchange import LARGEST, LONGEST, read_experience, read_experience_file, written
from tuner.experience.model import Earlier, ModelFeatures, Reading, Tried
from tuner.experience.remembered import Remembered, grouped, remembered
from tuner.experience.store import ExperienceStore
from tuner.space.assignment import Assignment

HEADER = '{"format":"tuner-experience","version":1}'

printable = st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp", "Zs"), include_characters=" ")
words = st.text(printable, max_size=8)
names = st.text(printable, min_size=1, max_size=8)
counts = st.integers(0, 2**53)
scalars = st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e15, 1e15) | words
positive = st.floats(min_value=5e-324, max_value=1.7e308)
readings = st.builds(
    Reading,
    metric=names,
    value=positive,
    error=st.floats(0, 10),
    side=st.sampled_from(["at", "below", "above"]),
)
tried = st.builds(
    Tried,
    assignment=st.dictionaries(names, scalars, max_size=5).map(Assignment),
    outcome=st.sampled_from(["completed", "failed"]),
    readings=st.lists(readings, max_size=4).map(tuple),
)
records = st.builds(
    Remembered,
    campaign=names,
    number=counts,
    ended=st.floats(0, 1e11),
    service=names,
    engine=words,
    hardware=words,
    load=words,
    family=st.none() | words,
    features=st.none() | st.builds(ModelFeatures, size=counts, parameters=counts, operations=counts, depth=counts),
    trial=tried,
)
distinct = st.lists(records, max_size=5, unique_by=lambda record: record.key)


def mistakes(content: bytes) -> tuple[Problem, ...]:
    """What is wrong with the content; any other exception passes through."""
    try:
        read_experience(content, "file.jsonl")
    except UserError as error:
        return error.problems
    return ()


@given(distinct)
def test_what_is_written_is_read_whatever_it_is(told: list[Remembered]) -> None:
    content = written(told)
    found = read_experience(content, "file.jsonl")
    assert {record.key: record for record in found} == {record.key: record for record in told}
    assert written(found) == content
    assert grouped(found) == grouped(told)


@given(distinct, st.randoms(use_true_random=False))
def test_the_order_depends_on_the_records_alone(told: list[Remembered], shuffle: random.Random) -> None:
    mixed = list(told)
    shuffle.shuffle(mixed)
    assert written(mixed) == written(told)
    assert grouped(mixed) == grouped(told)


@given(st.binary(max_size=200))
def test_bytes_are_never_more_than_a_mistake(content: bytes) -> None:
    for start in (b"", HEADER.encode() + b"\n"):
        assert all(problem.file == "file.jsonl" for problem in mistakes(start + content))


@given(distinct, st.data())
def test_a_changed_character_is_read_or_named(told: list[Remembered], data: st.DataObject) -> None:
    content = bytearray(written(told))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255))
    assert all(problem.line is not None for problem in mistakes(bytes(content)))


def record_line(**changes: Any) -> str:
    record: dict[str, Any] = {
        "campaign": "echo-1",
        "number": 0,
        "service": "echo",
        "engine": "triton",
        "trial": {
            "assignment": {"batch": 4},
            "outcome": "completed",
            "readings": [{"metric": "capacity", "value": 120.5, "error": 0.04}],
        },
    }
    return json.dumps({**record, **changes})


def trial_line(**changes: Any) -> str:
    trial = json.loads(record_line())["trial"]
    return record_line(trial={**trial, **changes})


def value_line(value: str) -> str:
    return record_line().replace("120.5", value)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (value_line("0"), "greater than 0"),
        (value_line("-3"), "greater than 0"),
        (value_line("NaN"), "finite"),
        (value_line("Infinity"), "finite"),
        (value_line("1e999"), "finite"),
        (value_line('"120"'), "valid number"),
        (value_line("true"), "valid number"),
        (record_line(trial={}), "trial.assignment"),
        (record_line(number=-1), "number"),
        (record_line(number=2**60), "number"),
        (record_line(ended=-1), "ended"),
        (record_line(service=""), "service"),
        (record_line(service="\u001b[31m"), "control character"),
        (record_line(unknown=1), "unknown"),
        (trial_line(outcome="errored"), "outcome"),
        (trial_line(assignment=[1]), "mapping"),
        (trial_line(assignment={"batch": [1]}), "batch"),
        (trial_line(assignment={"batch": None}), "batch"),
        (trial_line(assignment={"batch": 10**400}), "2^53"),
        (trial_line(assignment={"\u0007": 1}), "plain text"),
        (trial_line(assignment={str(index): index for index in range(1001)}), "at most 1000"),
        (trial_line(readings=[{"metric": "capacity"}]), "value"),
        ("{", "JSON"),
        ("[" * 5000, "JSON"),
        ("7", "object"),
        (" " + "x" * LONGEST, "longer"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(line: str, told: str) -> None:
    content = "\n".join([HEADER, record_line(number=5), line, record_line(number=6)])
    with pytest.raises(UserError, match=r"file\.jsonl:3:1: ") as caught:
        read_experience(content.encode(), "file.jsonl")
    (problem,) = caught.value.problems
    assert told in problem.what
    assert problem.what.isprintable()


@pytest.mark.parametrize(
    ("first", "told"),
    [("", "no file of experience"), ("{}", "no file"), (record_line(), "no file"), ("\udcff", "no file")],
)
def test_another_file_is_refused_at_its_first_line(first: str, told: str) -> None:
    with pytest.raises(UserError, match=r"file\.jsonl:1:1: ") as caught:
        read_experience(first.encode(errors="surrogateescape"), "file.jsonl")
    assert told in str(caught.value)


def test_a_later_version_is_refused_and_said() -> None:
    with pytest.raises(UserError, match="version 2"):
        read_experience(HEADER.replace("1}", "2}").encode(), "file.jsonl")


def test_a_trial_that_is_told_twice_is_told_alike() -> None:
    twice = "\n".join([HEADER, record_line(), record_line(), ""])
    assert len(read_experience(twice.encode(), "file.jsonl")) == 1
    contradicting = "\n".join([HEADER, record_line(), value_line("7")])
    with pytest.raises(UserError, match=r"file\.jsonl:3:1: trial 0 of echo-1 is told otherwise in line 2"):
        read_experience(contradicting.encode(), "file.jsonl")


def test_of_many_mistakes_the_first_are_told() -> None:
    content = "\n".join([HEADER, *["{"] * 5000])
    with pytest.raises(UserError) as caught:
        read_experience(content.encode(), "file.jsonl")
    assert [problem.line for problem in caught.value.problems] == list(range(2, 22))


def test_a_file_is_not_read_beyond_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "file.jsonl"
    with path.open("wb") as stream:
        stream.truncate(100 * LARGEST)
    with pytest.raises(UserError, match="larger than 16 MiB"):
        read_experience_file(path)


@pytest.mark.parametrize("name", ["none.jsonl", ".", "nul\0.jsonl"])
def test_a_file_that_is_not_there_is_a_persons_mistake(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_experience_file(tmp_path / name)


def test_windows_line_ends_and_empty_lines_do_no_harm() -> None:
    content = f"{HEADER}\r\n\r\n{record_line()}\r\n"
    assert len(read_experience(content.encode(), "file.jsonl")) == 1


def test_metrics_and_parameters_that_nobody_knows_are_kept() -> None:
    line = trial_line(assignment={"warp_drive": True}, readings=[{"metric": "joules", "value": 3.5, "side": "above"}])
    (record,) = read_experience(f"{HEADER}\n{line}".encode(), "file.jsonl")
    assert record.trial.assignment == Assignment({"warp_drive": True})
    assert record.trial.readings == (Reading(metric="joules", value=3.5, side="above"),)
    assert "joules" in written([record]).decode()


def test_an_import_is_done_once(tmp_path: Path, earlier_of: Callable[..., Earlier]) -> None:
    content = written(remembered("campaign", earlier_of(count=4)))
    with ExperienceStore(sqlite_url(tmp_path / "experience.db")) as store:
        assert store.add(read_experience(content, "file.jsonl")) == 4
        assert store.add(read_experience(content, "file.jsonl")) == 0
        assert written(store.records()) == content, "what goes round comes back byte by byte"
