"""Numbers as a reader meets them: units, thousands separators, and never more digits than the interval supports."""

from __future__ import annotations

import math
from decimal import Decimal

from tuner.measurement.model import Interval
from tuner.spec.quantity import Money

__all__ = [
    "amount",
    "between",
    "bound",
    "decimals_of",
    "duration",
    "hours",
    "latency",
    "number",
    "percent",
    "plain",
    "rate",
    "ratio",
    "size",
    "spread",
    "times",
]

_DIGITS = 3
"""Significant digits of a value that has no interval."""


def decimals_of(size: float, digits: int) -> int:
    """Decimal places at which ``size`` shows ``digits`` significant digits; negative for tens and hundreds.

    >>> decimals_of(0.17, 2), decimals_of(90, 2), decimals_of(1234, 2)
    (2, 0, -2)
    """
    return digits - 1 - math.floor(math.log10(size)) if size > 0 else 0


def _supported(low: float, high: float) -> int:
    """Decimal places that an interval supports: one digit of its half width, two where that digit is a 1."""
    half = (high - low) / 2
    return decimals_of(half, 1) + (f"{half:e}"[0] == "1")


def number(value: float, decimals: int | None = None) -> str:
    """With thousands separators, rounded to ``decimals`` places, or else to three significant digits.

    >>> number(1284.31), number(0.021345), number(1284.31, -1), number(0)
    ('1,284', '0.0213', '1,280', '0')
    """
    if decimals is None:
        decimals = max(decimals_of(abs(value), _DIGITS), 0)
    rounded = round(value, decimals) + 0.0  # no minus zero
    return f"{rounded:,.{max(decimals, 0)}f}"


def plain(value: float) -> str:
    """A bound or a setting exactly as it was written: no digits lost, none added.

    >>> plain(50.0), plain(0.1), plain(12000)
    ('50', '0.1', '12,000')
    """
    return f"{value:,.12g}"


def between(interval: Interval, scale: float = 1.0) -> tuple[str, str, str]:
    """Value, low and high times ``scale``, with the digits that the interval's width supports.

    >>> between(Interval(value=1.8213, low=1.7391, high=1.9102))
    ('1.82', '1.74', '1.91')
    """
    value, low, high = (part * scale for part in (interval.value, interval.low, interval.high))
    width = high - low
    decimals = _supported(low, high) if width > 0 else max(decimals_of(abs(value), _DIGITS), 0)
    return number(value, decimals), number(low, decimals), number(high, decimals)


def spread(interval: Interval) -> str:
    """A value with its interval, where that has any width, without a unit.

    >>> spread(Interval(value=1284.3, low=1240, high=1330)), spread(Interval(value=3.0, low=3.0, high=3.0))
    ('1,280 (1,240–1,330)', '3.00')
    """
    value, low, high = between(interval)
    if interval.low == interval.high:
        return value
    return f"{value} ({low}–{high})"


def percent(share: float) -> str:
    """A share as a percentage; what is less than certain never reads as 100 %.

    >>> percent(0.95), percent(0.999), percent(0.001), percent(0.4567), percent(0.99995), percent(1)
    ('95 %', '99.9 %', '0.1 %', '45.7 %', '99.995 %', '100 %')
    """
    digits = 3
    while digits < 12 and share < 1 and float(f"{share * 100:.{digits}g}") >= 100:
        digits += 1
    return f"{share * 100:.{digits}g} %"


def times(value: float) -> str:
    """A bare ratio, short enough for a title.

    >>> times(1.8213), times(1.04), times(12.4)
    ('1.8×', '1.04×', '12×')
    """
    return f"{value:.0f}×" if value >= 10 else f"{value:.1f}×" if abs(value - 1) >= 0.1 else f"{value:.2f}×"


def ratio(interval: Interval, confidence: float | None = None) -> str:
    """A ratio with its interval; an end that is not 1 never reads as 1.

    >>> ratio(Interval(value=1.8213, low=1.7391, high=1.9102), 0.95)
    '1.82× (1.74–1.91×, 95 %)'
    >>> ratio(Interval(value=1.0513, low=1.0017, high=1.1031), 0.95)
    '1.051× (1.002–1.103×, 95 %)'
    """
    decimals = _supported(interval.low, interval.high) if interval.high > interval.low else _DIGITS - 1
    while decimals < 6 and any(end != 1 and round(end, decimals) == 1 for end in (interval.low, interval.high)):
        decimals += 1
    value, low, high = (number(part, decimals) for part in (interval.value, interval.low, interval.high))
    return f"{value}× ({low}–{high}×{f', {percent(confidence)}' if confidence is not None else ''})"


def rate(interval: Interval | float) -> str:
    """Requests per second.

    >>> rate(1284.3), rate(Interval(value=1284.3, low=1240, high=1330))
    ('1,284 requests/s', '1,280 (1,240–1,330) requests/s')
    """
    if isinstance(interval, Interval):
        return f"{spread(interval)} requests/s"
    return f"{number(interval)} requests/s"


def latency(seconds: float) -> str:
    """Milliseconds below a second, seconds above.

    >>> latency(0.05), latency(0.01234), latency(0.000512), latency(1.2345)
    ('50.0 ms', '12.3 ms', '0.512 ms', '1.23 s')
    """
    return f"{number(seconds)} s" if seconds >= 1 else f"{number(seconds * 1000)} ms"


def bound(seconds: float) -> str:
    """A latency bound exactly as the spec has it.

    >>> bound(0.05), bound(0.0125), bound(2)
    ('50 ms', '12.5 ms', '2 s')
    """
    return f"{plain(seconds)} s" if seconds >= 1 else f"{plain(seconds * 1000)} ms"


def duration(seconds: float) -> str:
    """A span that people wait for.

    >>> duration(4.24), duration(252), duration(3900)
    ('4.2 s', '4 min 12 s', '1 h 05 min')
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    if round(seconds) < 3600:
        return f"{round(seconds) // 60} min {round(seconds) % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def hours(value: float) -> str:
    """Core-hours.

    >>> hours(0.1374)
    '0.137 core-hours'
    """
    return f"{number(value)} core-hours"


def size(count: int) -> str:
    """Memory, in binary units.

    >>> size(536870912), size(25769803776)
    ('512 MiB', '24 GiB')
    """
    gib = count / 2**30
    return f"{gib:.3g} GiB" if gib >= 1 else f"{count / 2**20:.3g} MiB"


def amount(money: Money) -> str:
    """Money: whole units from 100 up, cents from 1 up, three significant digits below.

    >>> [amount(Money(amount=Decimal(text), currency="USD")) for text in ("1234.5", "23.0712", "0.021345")]
    ['1,234 USD', '23.07 USD', '0.0213 USD']
    """
    return f"{number(float(money.amount), _cents(money.amount))} {money.currency}"


def _cents(value: Decimal) -> int | None:
    return 0 if value >= 100 else 2 if value >= 1 else None
