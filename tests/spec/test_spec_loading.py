from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuner.errors import UserError
from tuner.spec.document import MAX_BYTES, MAX_VALUES
from tuner.spec.loading import load_spec, read_spec
from tuner.spec.schema import json_schema


def problems(text: str | bytes) -> list[str]:
    with pytest.raises(UserError) as caught:
        load_spec(text.encode() if isinstance(text, str) else text, "t.yaml")
    return [str(problem) for problem in caught.value.problems]


def test_every_mistake_is_listed_in_the_order_of_the_file(minimal: str) -> None:
    text = minimal.replace("engine: triton", "engin: triton").replace("50ms", "50").replace("0.0042 USD", "free")
    places = [line.partition(": ")[0] for line in problems(text)]
    assert places == ["t.yaml:6:1", "t.yaml:7:3", "t.yaml:20:18", "t.yaml:23:11"]


def test_a_problem_found_later_stands_at_its_field(minimal: str) -> None:
    spec = load_spec(minimal.encode(), "t.yaml")
    assert str(spec.problem(("slo", "latency", "p99"), "too tight", "raise it")) == "t.yaml:20:18: too tight (raise it)"
    assert spec.problem(("slo", "latency", "p99"), "x", key=True).column == 13
    # A default is not in the file: the nearest key above it is named.
    assert spec.problem(("slo", "errorRate"), "x").line == 19
    assert spec.problem(("budget", "trials"), "x").line == 2


def test_an_empty_parameter_is_the_engines_own_and_any_other_empty_key_is_a_mistake(minimal: str) -> None:
    text = minimal.replace("instance_count: {}", "instance_count:")
    assert load_spec(text.encode(), "t.yaml").spec.parameters["instance_count"].values is None
    assert problems(text.replace("model: model", "model: ~")) == [
        "t.yaml:8:10: model has no value (write one, or remove the key)"
    ]


def test_a_large_file_is_refused_before_it_is_parsed(minimal: str, tmp_path: Path) -> None:
    large = minimal.encode() + b"#" * 10_000_000
    expected = (
        f"t.yaml:1:1: the file has {len(large)} bytes, more than the {MAX_BYTES} that are read (keep it below 1 MiB)"
    )
    assert problems(large) == [expected]
    (tmp_path / "tuning.yaml").write_bytes(large)
    with pytest.raises(UserError, match=f"the file has {len(large)} bytes"):
        read_spec(tmp_path / "tuning.yaml")


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "{", "? ", "[{"])
def test_a_deep_nest_ends_at_the_limit(opening: str) -> None:
    found = problems((opening * MAX_BYTES)[:MAX_BYTES])
    assert re.search("levels deep|mapping or list cannot be a key", found[0])


def test_very_many_values_end_at_the_limit() -> None:
    assert f"more than {MAX_VALUES} values" in problems("- \n" * (MAX_VALUES + 10))[0]


def test_very_many_documents_end_at_the_limit() -> None:
    assert problems("--- a\n" * 100_000) == ["t.yaml:101:1: more than 100 documents (split the file)"]


def test_very_many_mistakes_are_counted_not_listed() -> None:
    lines = problems("".join(f"k{index}: 1\n" for index in range(1000)))
    assert len(lines) == 101
    assert lines[-1] == "t.yaml:93:1: and 908 more problems (correct the first ones and try again)"


def test_a_byte_order_mark_and_windows_line_ends_are_read(minimal: str) -> None:
    text = b"\xef\xbb\xbf" + minimal.replace("\n", "\r\n").encode()
    assert load_spec(text, "t.yaml").spec == load_spec(minimal.encode(), "t.yaml").spec


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("1", 1),
        ("-7", -7),
        ("0x1F", 31),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("true", True),
        ("False", False),
        ("y", "y"),
        ("2024-01-01", "2024-01-01"),
        ('"no"', "no"),
        ("'12:30'", "12:30"),
        ("1.2.3", "1.2.3"),
        ("nvidia.com/gpu", "nvidia.com/gpu"),
    ],
)
def test_words_mean_what_yaml_1_2_says(minimal: str, word: str, value: object) -> None:
    text = minimal.replace("instance_count: {}", f"instance_count: {{values: [{word}]}}")
    values = load_spec(text.encode(), "t.yaml").spec.parameters["instance_count"].values
    assert values is not None
    assert (type(values[0]), values[0]) == (type(value), value)


@pytest.mark.parametrize(
    "word",
    ["no", "No", "YES", "on", "Off", "12:30", "1:20:30.5", "010", "0o17", "0b101", "1_000", ".inf", "-.INF", ".NaN"],
)
def test_words_that_yaml_1_1_reads_differently_are_refused(minimal: str, word: str) -> None:
    lines = problems(minimal.replace("instance_count: {}", f"instance_count: {{values: [{word}]}}"))
    assert len(lines) == 1
    assert lines[0].startswith("t.yaml:13:29: ")


class TestFiles:
    def test_a_symbolic_link_is_refused(self, minimal: str, tmp_path: Path) -> None:
        (tmp_path / "real.yaml").write_text(minimal)
        (tmp_path / "tuning.yaml").symlink_to("real.yaml")
        with pytest.raises(UserError, match="symbolic link"):
            read_spec(tmp_path / "tuning.yaml")

    @pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
    def test_what_is_no_file_is_refused_without_waiting(self, make: object, tmp_path: Path) -> None:
        assert callable(make)
        make(tmp_path / "tuning.yaml")
        with pytest.raises(UserError, match=r"regular file|is a directory"):
            read_spec(tmp_path / "tuning.yaml")

    @pytest.mark.parametrize("name", ["missing.yaml", "a\0b", "x" * 5000])
    def test_a_name_without_a_file_is_refused(self, name: str, tmp_path: Path) -> None:
        with pytest.raises(UserError):
            read_spec(tmp_path / name)


def _assert_clean(error: UserError) -> None:
    """One printable line a problem, with its place, and none of the validator's own words."""
    for problem in error.problems:
        line = str(problem)
        assert re.match(r"t\.yaml:(\d+:\d+:)? ", line), line
        assert "\n" not in line
        assert not re.search(r"pydantic|union|discriminator|validation error|Traceback|Input should", line), line
        assert len(line) < 1500


_KEYS = st.sampled_from(re.findall(r"\w+", json.dumps(json_schema()))) | st.text(max_size=8)
_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(
        ["50ms", "20 USD", "0.1%", "300/s", "16Gi", "triton", "int", "$(x)", "../x", "max_batch_size > 1"]
    )
)
_TREES = st.recursive(_LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=5))


class TestNothingButProblemsForAnyInput:
    @given(st.binary(max_size=400))
    def test_bytes(self, text: bytes) -> None:
        try:
            load_spec(text, "t.yaml")
        except UserError as error:
            _assert_clean(error)

    @given(st.text(alphabet="ab:- \n\t[]{},&*!|>'\"#%@`?<~0.1_éyno", max_size=200))
    def test_text_that_looks_like_yaml(self, text: str) -> None:
        with pytest.raises(UserError) as caught:
            load_spec(text.encode(), "t.yaml")
        _assert_clean(caught.value)

    @given(data=st.data())
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_a_good_spec_with_one_part_replaced(self, data: st.DataObject, examples: Path) -> None:
        document = yaml.safe_load((examples / "good" / "tuning-complete.yaml").read_text())
        node = document
        while True:
            key = data.draw(st.sampled_from(list(node) if isinstance(node, dict) else list(range(len(node)))))
            if not isinstance(node[key], dict | list) or not node[key] or data.draw(st.booleans()):
                break
            node = node[key]
        node[key] = data.draw(_TREES)
        try:
            load_spec(yaml.safe_dump(document, allow_unicode=True).encode("utf-8", "replace"), "t.yaml")
        except UserError as error:
            _assert_clean(error)

    @given(data=st.data())
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_a_good_spec_with_bytes_changed(self, data: st.DataObject, minimal: str) -> None:
        raw = bytearray(minimal.encode())
        for _ in range(data.draw(st.integers(1, 4))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        try:
            load_spec(bytes(raw), "t.yaml")
        except UserError as error:
            _assert_clean(error)
