"""What is written, read and written again stays the same."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tuner.spec.loading import load_spec, read_spec
from tuner.spec.model import TuningSpec
from tuner.spec.quantity import Duration, Money, Price, Rate, Share, parse_bytes, parse_cores

_NUMBERS = st.decimals(min_value="0.000001", max_value="30000000", places=9).map(lambda number: f"{number:f}")
_DURATION: TypeAdapter[float] = TypeAdapter(Duration)
_SHARE: TypeAdapter[float] = TypeAdapter(Share)
_RATE: TypeAdapter[float] = TypeAdapter(Rate)
_PRICE: TypeAdapter[Money] = TypeAdapter(Price)


def _again(adapter: TypeAdapter[float], text: str) -> tuple[float, float]:
    value = adapter.validate_python(text)
    return value, adapter.validate_python(json.loads(adapter.dump_json(value)))


@given(st.lists(st.tuples(st.integers(1, 2000), st.sampled_from(["us", "ms", "s", "m", "h"])), min_size=1, max_size=4))
def test_durations(parts: list[tuple[int, str]]) -> None:
    first, second = _again(_DURATION, "".join(f"{number}{unit}" for number, unit in parts))
    assert first == second


@given(_NUMBERS)
def test_fractions_of_a_second(number: str) -> None:
    first, second = _again(_DURATION, f"{number}s")
    assert first == second == float(number)


@given(st.decimals(min_value=0, max_value=100, places=7).map(lambda number: f"{number:f}"))
def test_shares(number: str) -> None:
    first, second = _again(_SHARE, f"{number}%")
    assert first == second == float(Decimal(number) / 100)


@given(_NUMBERS, st.sampled_from(["s", "m", "h"]))
def test_rates(number: str, unit: str) -> None:
    if Decimal(number) < Decimal("0.01"):
        number = "0.01"
    first, second = _again(_RATE, f"{number}/{unit}")
    assert first == second


@given(st.decimals(min_value=0, max_value=10**14, places=12).map(lambda number: f"{number:f}"))
def test_money(number: str) -> None:
    price = _PRICE.validate_python(f"{number} USD")
    assert price.amount == Decimal(number)
    assert _PRICE.validate_python(json.loads(_PRICE.dump_json(price))) == price


@pytest.mark.parametrize(
    ("text", "seconds"), [("50ms", 0.05), ("1h30m", 5400), ("250us", 0.00025), ("1.5s", 1.5), ("1d", 86400)]
)
def test_a_duration_is_in_seconds(text: str, seconds: float) -> None:
    assert _DURATION.validate_python(text) == seconds


@pytest.mark.parametrize(
    "text", ["50", "50 ms", "5min", "ms", "-1s", "1e3s", "٥s", "", "0s", "1s ", "999d", 50, None, [], True]
)
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValidationError):
        _DURATION.validate_python(text)


@pytest.mark.parametrize(("text", "cores"), [("2", 2), ("500m", 0.5), (1.5, 1.5), (0.1 + 0.2, 0.1 + 0.2)])
def test_cores(text: object, cores: float) -> None:
    assert parse_cores(text) == cores


@pytest.mark.parametrize(("text", "size"), [("16Gi", 2**34), ("1G", 10**9), ("512Mi", 2**29)])
def test_bytes(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "Gi", "16GiB", "-1", True, None, "1e400", [], "nan", "16 Gi"])
def test_what_is_no_quantity_is_refused(text: object) -> None:
    for parse in (parse_cores, parse_bytes):
        with pytest.raises(ValueError, match="quantity"):
            parse(text)


def _good() -> list[Path]:
    return sorted((Path(__file__).parents[2] / "configs" / "examples" / "good").iterdir())


@pytest.mark.parametrize("path", _good(), ids=lambda path: path.stem)
def test_a_dumped_spec_is_the_same_spec_again(path: Path) -> None:
    spec = read_spec(path).spec
    dumped = spec.model_dump(mode="json", by_alias=True)
    assert TuningSpec.model_validate(dumped) == spec
    written = spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert load_spec(json.dumps(written).encode(), "t.yaml").spec == spec
