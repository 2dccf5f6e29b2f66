"""Quantities as people write them, parsed once at the edge: ``50ms``, ``16Gi``, ``0.1%``, ``300/s``, ``20 USD``.

Numbers go through Decimal both ways, so that writing a parsed quantity and parsing it again gives the same value.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from tuner.spec.mistake import Mistake, shown
from tuner.value import Value

__all__ = ["Bytes", "Cores", "Duration", "Money", "Price", "Rate", "Share", "parse_bytes", "parse_cores"]

_NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,40})?"
_SECONDS = {
    "us": Decimal("0.000001"),
    "ms": Decimal("0.001"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86400),
}
_PARTS = re.compile(rf"({_NUMBER})(us|ms|s|m|h|d)")
_DURATION = rf"^(?:{_NUMBER}(?:us|ms|s|m|h|d)){{1,6}}$"
_SHARE = rf"^{_NUMBER} ?%$"
_RATE = rf"^{_NUMBER} ?/ ?(?:s|m|h)$"
_MONEY = rf"^{_NUMBER} ?[A-Z]{{3}}$"
_SMALLEST_SHARE = 1e-9
_QUANTITY = re.compile(r"[0-9]{1,15}(\.[0-9]{1,20})?([numkMGTPE]|[KMGTPE]i|[eE][0-9])?")


def _text(raw: Any, pattern: str) -> str | None:
    return raw if isinstance(raw, str) and re.fullmatch(pattern[1:-1], raw) else None


def _duration(raw: Any) -> Any:
    """Seconds from ``1h30m``, ``50ms`` or ``2s``; a bare number has no unit and is refused."""
    if text := _text(raw, _DURATION):
        seconds = float(sum(Decimal(number) * _SECONDS[unit] for number, unit in _PARTS.findall(text)))
        if not 1e-6 <= seconds <= 366 * 86400:
            raise Mistake(f"{shown(raw)} is too short or too long", "write from 1us to 366d")
        return seconds
    raise Mistake(
        f"{shown(raw)} is not a duration",
        "write a number and one of the units us, ms, s, m, h, d without a blank, for example 50ms, 2s or 1h30m",
    )


def _share(raw: Any) -> Any:
    """A share between 0 and 1 from ``0.1%``; a bare number is ambiguous and is refused."""
    if text := _text(raw, _SHARE):
        share = float(Decimal(text[:-1].strip()) / 100)
        if share == 0 or share >= _SMALLEST_SHARE:
            return share
    raise Mistake(f"{shown(raw)} is not a percentage", "write it with the sign, for example 0.1%")


def _rate(raw: Any) -> Any:
    """Requests per second from ``300/s`` or ``6000/m``."""
    if text := _text(raw, _RATE):
        number, _, unit = text.partition("/")
        rate = float(Decimal(number.strip()) / _SECONDS[unit.strip()])
        if not 1e-6 <= rate <= 1e9:
            raise Mistake(f"{shown(raw)} is too low or too high", "write from 0.000001/s to 1000000000/s")
        return rate
    raise Mistake(f"{shown(raw)} is not a rate", "write requests per s, m or h, for example 300/s")


def _quantity(raw: Any) -> Decimal:
    if isinstance(raw, bool) or not _QUANTITY.fullmatch(str(raw)):
        raise ValueError(f"{shown(raw)} is no Kubernetes quantity")
    from kubernetes.utils.quantity import parse_quantity  # half a second of imports that most commands never need

    return Decimal(parse_quantity(str(raw)))


def parse_cores(raw: Any) -> float:
    """CPU cores from a Kubernetes quantity (``500m`` is 0.5). Mistake (a ValueError) where it is none."""
    try:
        return float(_quantity(raw))
    except (ValueError, ArithmeticError) as error:
        raise Mistake(f"{shown(raw)} is not a CPU quantity", "write cores, for example 2 or 500m") from error


def parse_bytes(raw: Any) -> int:
    """Bytes from a Kubernetes quantity (``16Gi``). Mistake (a ValueError) where it is none."""
    try:
        return int(_quantity(raw))
    except (ValueError, ArithmeticError) as error:
        raise Mistake(f"{shown(raw)} is not a memory quantity", "write for example 512Mi or 16Gi") from error


class Money(Value):
    """An amount in one currency (ISO 4217 code)."""

    amount: Decimal = Field(ge=0)
    currency: str = Field(pattern=r"^[A-Z]{3}$")

    def __str__(self) -> str:
        return f"{self.amount:f} {self.currency}"


def _money(raw: Any) -> Any:
    if isinstance(raw, Money):
        return raw
    if text := _text(raw, _MONEY):
        return Money(amount=Decimal(text[:-3].strip()), currency=text[-3:])
    raise Mistake(f"{shown(raw)} is not an amount of money", "write a number and a currency code, for example 20 USD")


def _plain(value: float) -> str:
    """The shortest decimal that reads back as ``value``, without an exponent."""
    text = f"{Decimal(repr(value)):f}"
    return text.removesuffix(".0")


def _schema(pattern: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": list(examples)})


Duration = Annotated[
    float,
    BeforeValidator(_duration),
    PlainSerializer(lambda value: f"{_plain(value)}s", return_type=str, when_used="json"),
    _schema(_DURATION, "50ms", "2s", "1h30m"),
]
Share = Annotated[
    float,
    BeforeValidator(_share),
    Field(ge=0, le=1),
    PlainSerializer(lambda value: f"{Decimal(repr(value)) * 100:f}%", return_type=str, when_used="json"),
    _schema(_SHARE, "0.1%"),
]
Rate = Annotated[
    float,
    BeforeValidator(_rate),
    PlainSerializer(lambda value: f"{_plain(value)}/s", return_type=str, when_used="json"),
    _schema(_RATE, "300/s"),
]
Price = Annotated[
    Money,
    BeforeValidator(_money),
    PlainSerializer(str, return_type=str, when_used="json"),
    _schema(_MONEY, "20 USD"),
]
Cores = Annotated[float, BeforeValidator(parse_cores), Field(gt=0)]
Bytes = Annotated[int, BeforeValidator(parse_bytes), Field(gt=0)]
