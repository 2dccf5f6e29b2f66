"""A table of measurements as trials: what each configuration answers, and what a search may know before."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.errors import UserError
from tuner.replay.descriptor import Descriptor, read_descriptor
from tuner.replay.prior import others
from tuner.replay.recording import Noise, Recording, recording_of
from tuner.replay.table import Table, read_table
from tuner.space.assignment import Assignment

Read = Callable[..., Recording]
HEADER = "model,batch,share,latency_ms\n"


def test_services_families_and_values_are_read(table: Table) -> None:
    assert list(table.services) == ["small1", "small2", "large"]
    assert [table.family(service) for service in table.services] == ["small", "small", "large"]
    assert table.values == {"batch": (1, 2, 4, 8), "share": (10, 25, 50, 75, 100)}


def test_the_best_is_the_best_within_the_limit(recording: Recording) -> None:
    worths = {assignment: recording.worth(assignment) for assignment in recording.candidates}
    held = {a: worth for a, worth in worths.items() if worth is not None}
    assert recording.best is not None
    assert recording.best.merit == max(held.values())
    tried = recording.tried(recording.best.assignment)
    assert tried.readings[0].value <= 40
    assert 0 < len(held) < len(worths)
    batch, share = (float(recording.best.assignment[name]) for name in ("batch", "share"))
    assert recording.best.merit == pytest.approx(1000 * batch / share / tried.readings[0].value)


def test_nothing_holds_where_the_limit_is_too_low(table: Table) -> None:
    tight = Table(table.file, table.descriptor.limited(0.001), table.services, table.values)
    assert recording_of(tight, "small1").best is None


def test_a_column_of_fractions_is_scaled(read: Read) -> None:
    recording = read("model,batch,fraction,latency_ms\nm,1,0.07,5\nm,1,0.29,3\n")
    assert {assignment["share"] for assignment in recording.cells} == {7, 29}
    with pytest.raises(UserError, match=r"table\.csv:2:5: share is 7000, and the descriptor says -inf to 100"):
        read("model,batch,fraction,latency_ms\nm,1,70,5\n")


def test_rows_of_one_key_are_replicates(read: Read) -> None:
    recording = read(f"{HEADER}m,1,10,4\nm,1,10,9\nm,2,10,5\n")
    twice, once = (
        recording.cells[Assignment({"batch": 1, "share": 10})],
        recording.cells[Assignment({"batch": 2, "share": 10})],
    )
    assert (twice.count, once.count) == (2, 1)
    assert twice.values["latency"] == pytest.approx(6.0)
    assert twice.errors["latency"] == pytest.approx(math.log(9 / 4) / 2)
    assert once.errors["latency"] == 0


def test_a_combination_without_a_row_fails_or_is_none_of_the_space(read: Read) -> None:
    text = f"{HEADER}m,1,10,4\nm,2,10,5\nm,2,20,3\n"
    lacking = Assignment({"batch": 1, "share": 20})
    failing = read(text)
    assert len(failing.candidates) == 4
    assert failing.tried(lacking).outcome == "failed"
    assert failing.worth(lacking) is None
    assert failing.merit(failing.tried(lacking)) is None
    absent = read(text, ("start:", "missing: absent\nstart:"))
    assert set(absent.candidates) == set(absent.cells)
    assert not absent.space.contains(lacking)


@given(st.sets(st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from('ab"\\')), min_size=1, max_size=30))
def test_an_absent_space_holds_the_rows_and_nothing_else(rows: set[tuple[int, int, str]]) -> None:
    from tuner.replay.descriptor import read_descriptor

    words = (
        "service: {column: m}\nparameters:\n  x: {column: x}\n  y: {column: y}\n  z: {column: z, kind: category}\n"
        "metrics: {t: {column: t}}\nobjective: {maximize: {t: 1}}\nmissing: absent\n"
    )
    quoted = {"a": "a", "b": "b", '"': '""""', "\\": "\\"}
    text = "m,x,y,z,t\n" + "".join(f"s,{x},{y},{quoted[z]},1\n" for x, y, z in sorted(rows))
    recording = recording_of(read_table(text.encode(), "t.csv", read_descriptor(words.encode(), "d.yaml")))
    assert {(one["x"], one["y"], one["z"]) for one in recording.candidates} == rows


def test_the_start_is_the_nearest_that_there_is(read: Read) -> None:
    recording = read(f"{HEADER}m,2,10,4\nm,2,90,5\nm,4,10,4\nm,4,90,5\n")
    assert recording.start == Assignment({"batch": 2, "share": 90})


def test_noise_depends_on_the_seed_and_the_number_alone(recording: Recording) -> None:
    tried = recording.tried(recording.candidates[0])
    noise = Noise(0.05, seed=3)
    assert noise.on(tried, 7) == noise.on(tried, 7)
    assert len({noise.on(tried, number).readings[0].value for number in range(50)}) == 50
    assert Noise(0.05, seed=4).on(tried, 7) != noise.on(tried, 7)
    assert Noise(0.0, seed=3).on(tried, 7) == tried
    assert noise.on(tried, 7).readings[0].error == pytest.approx(0.05)
    logs = [math.log(noise.on(tried, number).readings[0].value / tried.readings[0].value) for number in range(4000)]
    mean = sum(logs) / len(logs)
    assert abs(mean) < 5 * 0.05 / math.sqrt(4000)
    assert math.sqrt(sum((one - mean) ** 2 for one in logs) / len(logs)) == pytest.approx(0.05, rel=0.06)


def test_a_prior_leaves_the_judged_family_out(table: Table) -> None:
    earlier = table.earlier()
    assert [one.service for one in earlier] == ["small1", "small2", "large"]
    assert all(len(one.trials) == 20 and one.engine == "simulator" for one in earlier)
    assert [one.service for one in others(earlier, "small1", "small")] == ["large"]
    assert [one.service for one in others(earlier, "large", "large")] == ["small1", "small2"]


def test_a_prior_tells_what_failed(descriptor: Descriptor) -> None:
    table = read_table(f"{HEADER}m,1,10,4\nm,2,10,5\nm,2,20,3\n".encode(), "t.csv", descriptor)
    outcomes = [trial.outcome for trial in table.earlier()[0].trials]
    assert sorted(outcomes) == ["completed"] * 3 + ["failed"]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("m,1,10,nan", "table.csv:2:8: latency_ms is 'nan', not a finite number"),
        ("m,1,10,-4", "table.csv:2:8: latency_ms is -4, not above 0"),
        ("m,1,10,0", "table.csv:2:8: latency_ms is 0, not above 0"),
        ("m,1,10,", "table.csv:2:8: latency_ms is empty, not a finite number"),
        ("m,x,10,4", "table.csv:2:3: batch is 'x', not a finite number"),
        (",1,10,4", "table.csv:2:1: the service is empty"),
        ("m$(x),1,10,4", "table.csv:2:1: 'm$(x)' holds $(, which Kubernetes expands"),
    ],
)
def test_a_bad_value_is_one_line_with_its_place(read: Read, row: str, expected: str) -> None:
    with pytest.raises(UserError) as caught:
        read(f"{HEADER}{row}\n")
    assert str(caught.value).startswith(expected)


def test_what_a_table_lacks_is_named(read: Read, table: Table) -> None:
    with pytest.raises(UserError, match=r"table\.csv:1:1: the table has no column 'latency_ms'"):
        read("model,batch,share,ms\nm,1,10,4\n")
    with pytest.raises(UserError, match="the table has no rows"):
        read(HEADER)
    with pytest.raises(UserError, match=r"no service 'smal1' \(did you mean small1\?\)"):
        recording_of(table, "smal1")
    with pytest.raises(UserError, match="the table has several services"):
        recording_of(table)


def test_a_known_part_that_is_no_number_above_zero_is_refused(read: Read) -> None:
    with pytest.raises(UserError, match="number above 0"):
        read(f"{HEADER}m,1,0,4\n")  # divides by the share


OUTCOMES = "outcome: {column: ended, measured: ok, failed: [crash, oom], ignored: noise}\n"
ENDED = "model,batch,share,latency_ms,ended\n"


def _with_outcomes(read: Read, *rows: str, missing: str = "absent") -> Recording:
    start = "start: {batch: 1, share: 100}\n"
    return read(ENDED + "".join(f"{row}\n" for row in rows), (start, f"{OUTCOMES}missing: {missing}\n"))


def test_rows_of_failed_trials_need_no_measurement(read: Read) -> None:
    recording = _with_outcomes(read, "m,1,10,4,ok", "m,2,10,,crash", "m,4,10,,noise", "m,4,20,3,noise")
    one, two = (Assignment({"batch": batch, "share": 10}) for batch in (1, 2))
    assert set(recording.candidates) == {one, two}
    assert recording.tried(one).outcome == "completed"
    assert recording.tried(two).outcome == "failed"
    assert recording.worth(two) is None
    assert set(recording.cells) == {one}


@pytest.mark.parametrize(("ended", "outcome"), [("ok ok crash", "completed"), ("ok crash", "failed")])
def test_a_configuration_fails_where_half_of_its_trials_did(read: Read, ended: str, outcome: str) -> None:
    rows = [f"m,1,10,{4 if word == 'ok' else ''},{word}" for word in ended.split()]
    recording = _with_outcomes(read, *rows, "m,2,10,5,ok")
    assert recording.tried(Assignment({"batch": 1, "share": 10})).outcome == outcome


def test_failed_rows_teach_others(descriptor_text: str) -> None:
    words = f"{descriptor_text.replace('start: {batch: 1, share: 100}', OUTCOMES)}missing: absent\n"
    table = read_table(
        f"{ENDED}m,1,10,4,ok\nm,2,10,,oom\nn,1,10,3,ok\n".encode(), "t.csv", read_descriptor(words.encode(), "t.yaml")
    )
    taught = {one.service: [tried.outcome for tried in one.trials] for one in table.earlier()}
    assert taught == {"m": ["completed", "failed"], "n": ["completed"]}


def test_an_outcome_that_the_descriptor_does_not_know_is_told(read: Read) -> None:
    with pytest.raises(UserError, match=r"table\.csv:3:9: the descriptor does not say what the outcome 'what' means"):
        _with_outcomes(read, "m,1,10,4,ok", "m,2,10,,what")
    with pytest.raises(UserError, match="no row of the table is a measurement"):
        _with_outcomes(read, "m,1,10,4,noise")
    with pytest.raises(UserError, match="'ok' is there twice"):
        read(f"{HEADER}m,1,10,4\n", ("limits:", "outcome: {column: ended, measured: ok, failed: ok}\nlimits:"))
