"""Numbers as a reader meets them."""

from __future__ import annotations

import doctest
import math
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.measurement.model import Interval
from tuner.report import format as fmt
from tuner.spec.quantity import Money

positive = st.floats(min_value=1e-6, max_value=1e9)


def test_the_examples_in_the_module_hold() -> None:
    found = doctest.testmod(fmt)
    assert found.attempted >= 15
    assert found.failed == 0


def number_in(text: str) -> float:
    return float(text.replace(",", ""))


@given(positive, st.floats(min_value=1e-4, max_value=0.9))
def test_no_more_digits_than_the_interval_supports(value: float, share: float) -> None:
    interval = Interval(value=value, low=value * (1 - share), high=value * (1 + share))
    half = (interval.high - interval.low) / 2
    unit = Decimal(10) ** math.ceil(math.log10(half / 20) - 1e-9)
    assert all(Decimal(part.replace(",", "")) % unit == 0 for part in fmt.between(interval))
    for text, raw in zip(fmt.between(interval), (interval.value, interval.low, interval.high), strict=True):
        assert abs(number_in(text) - raw) <= half / 2 + 1e-12


@given(positive)
def test_a_value_without_an_interval_keeps_three_digits(value: float) -> None:
    assert number_in(fmt.number(value)) == pytest.approx(value, rel=0.006, abs=0.5 if value >= 100 else 0)


@given(st.floats(min_value=1.000001, max_value=5), st.floats(min_value=1e-5, max_value=1))
def test_a_ratio_that_excludes_no_better_never_reads_as_if_it_did_not(low: float, width: float) -> None:
    text = fmt.ratio(Interval(value=low + width / 2, low=low, high=low + width), 0.95)
    shown = re.search(r"\(([\d.,]+)–", text)
    assert shown is not None
    assert number_in(shown[1]) > 1 or low < 1 + 1e-6


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.05, "50 ms"), (0.0125, "12.5 ms"), (2.0, "2 s"), (0.0005, "0.5 ms"), (0.1, "100 ms")]
)
def test_a_bound_reads_as_it_was_written(seconds: float, text: str) -> None:
    assert fmt.bound(seconds) == text


@pytest.mark.parametrize(
    ("money", "text"),
    [("0", "0 USD"), ("0.00004213", "0.0000421 USD"), ("99.999", "100.00 USD"), ("1234567.8", "1,234,568 USD")],
)
def test_money_has_a_currency_and_separators(money: str, text: str) -> None:
    assert fmt.amount(Money(amount=Decimal(money), currency="USD")) == text
