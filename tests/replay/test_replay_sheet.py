"""A table as a file: what is read from it, and what is said of a mistake in it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.errors import UserError
from tuner.replay.sheet import MOST_ROWS, read_sheet, read_sheet_file

TEXT = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=12)


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=8))
def test_what_a_csv_library_writes_is_read_back(values: list[tuple[str, str, str]]) -> None:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(("a", "b", "c"))
    writer.writerows(values)
    sheet = read_sheet(written.getvalue().encode(), "t.csv")
    assert [tuple(field.text for field in row) for row in sheet.rows] == values


@given(st.binary(max_size=200))
def test_any_bytes_are_a_sheet_or_a_mistake_with_its_place(content: bytes) -> None:
    mistake = None
    try:
        sheet = read_sheet(content, "t.csv")
    except UserError as error:
        mistake = error
    if mistake is None:
        assert all(len(row) == len(sheet.header) for row in sheet.rows)
    else:
        assert all(problem.file == "t.csv" and problem.line and problem.column for problem in mistake.problems)
        assert "\n" not in str(mistake)


def test_a_value_knows_where_it_stands() -> None:
    sheet = read_sheet(b'a,b\r\n"x, y",2\r\n', "t.csv")
    assert [(field.text, field.line, field.column) for field in sheet.rows[0]] == [("x, y", 2, 1), ("2", 2, 8)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "t.csv:1:1: the table has no header"),
        (b"a,,c\n", "t.csv:1:3: a column has no name"),
        (b"a,b,a\n", "t.csv:1:5: the column 'a' is there twice"),
        (b"a,b\n1,2\n1\n", "t.csv:3:1: the row has 1 values, and the header names 2 columns"),
        (b'a,b\n1,"2\n', "t.csv:2:3: a quote is not closed, or stands inside of a value"),
        (b"a,b\n1,\x002\n", "t.csv:2:3: the control character U+0000 is not allowed"),
        (b"a,b\n1,\xff\n", "t.csv:2:3: byte 0xff is not valid UTF-8"),
        (b"a\n" + b"1" * 20_000, "t.csv:2:1: the line is longer than 10,000 characters"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(content: bytes, said: str) -> None:
    with pytest.raises(UserError) as caught:
        read_sheet(content, "t.csv")
    assert str(caught.value).startswith(said)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "", "x", "1_000"])
def test_a_number_is_finite(text: str) -> None:
    sheet = read_sheet(f"a,b\n1,{text}\n".encode(), "t.csv")
    with pytest.raises(UserError, match=r"t\.csv:2:3: b is .*, not a finite number"):
        sheet.number(sheet.rows[0][1], "b")


def test_rows_are_bounded() -> None:
    with pytest.raises(UserError, match=f"more than {MOST_ROWS:,} rows"):
        read_sheet(b"a\n" + b"1\n" * (MOST_ROWS + 1), "t.csv")


def test_a_missing_column_is_named_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"t\.csv:1:1: the table has no column 'latency' \(did you mean latency_ms\?\)"):
        read_sheet(b"model,latency_ms\n", "t.csv").position("latency")


def test_a_file_that_cannot_be_read_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_sheet_file(tmp_path / "none.csv")
    with pytest.raises(UserError, match="is a directory"):
        read_sheet_file(tmp_path)
