"""Quantities as people write them, parsed once at the edge: ``50ms``, ``16Gi``, ``0.1%``, ``300/s``, ``20 USD``."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any

from kubernetes.utils.quantity import parse_quantity
from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from tuner.value import Value

__all__ = ["Bytes", "Cores", "Duration", "Money", "Rate", "Share", "parse_bytes", "parse_cores"]

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h|d)")
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*/\s*(s|m|h)")
_MONEY = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Z]{3})")


def _duration(raw: Any) -> Any:
    """Seconds from ``1h30m``, ``50ms`` or ``2s``; a bare number has no unit and is refused."""
    if isinstance(raw, str) and raw and _DURATION.sub("", raw) == "":
        return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(raw))
    raise ValueError(f"{raw!r} is not a duration: write a number and a unit, for example 50ms, 2s, 10m or 1h30m")


def _share(raw: Any) -> Any:
    """A share between 0 and 1 from ``0.1%``; a bare number is ambiguous and is refused."""
    if isinstance(raw, str) and (match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", raw)):
        return float(match[1]) / 100
    raise ValueError(f"{raw!r} is not a percentage: write it with the sign, for example 0.1%")


def _rate(raw: Any) -> Any:
    """Requests per second from ``300/s`` or ``6000/m``."""
    if isinstance(raw, str) and (match := _RATE.fullmatch(raw)):
        return float(match[1]) / {"s": 1, "m": 60, "h": 3600}[match[2]]
    raise ValueError(f"{raw!r} is not a rate: write requests per time, for example 300/s")


def parse_cores(raw: Any) -> float:
    """CPU cores from a Kubernetes quantity (``500m`` is 0.5). ValueError where it is none."""
    try:
        return float(parse_quantity(str(raw)))
    except (ValueError, ArithmeticError) as error:
        raise ValueError(f"{raw!r} is not a CPU quantity: write cores, for example 2 or 500m") from error


def parse_bytes(raw: Any) -> int:
    """Bytes from a Kubernetes quantity (``16Gi``). ValueError where it is none."""
    try:
        return int(parse_quantity(str(raw)))
    except (ValueError, ArithmeticError) as error:
        raise ValueError(f"{raw!r} is not a memory quantity: write for example 512Mi or 16Gi") from error


def _text_schema(pattern: str, example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [example]})


class Money(Value):
    """An amount in one currency (ISO 4217 code)."""

    amount: Decimal = Field(ge=0)
    currency: str = Field(pattern=r"^[A-Z]{3}$")

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"


def _money(raw: Any) -> Any:
    if isinstance(raw, str) and (match := _MONEY.fullmatch(raw)):
        return Money(amount=Decimal(match[1]), currency=match[2])
    if isinstance(raw, Money):
        return raw
    raise ValueError(f"{raw!r} is not an amount of money: write a number and a currency code, for example 20 USD")


def _written(unit: str) -> PlainSerializer:
    """Back to the text a person writes, so that a dumped spec is a valid spec again."""
    return PlainSerializer(lambda value: f"{value:.12g}{unit}", return_type=str, when_used="json")


Duration = Annotated[
    float,
    BeforeValidator(_duration),
    Field(gt=0),
    _written("s"),
    _text_schema(r"^(\d+(\.\d+)?(us|ms|s|m|h|d))+$", "50ms"),
]
Share = Annotated[
    float,
    BeforeValidator(_share),
    Field(ge=0, le=1),
    PlainSerializer(lambda value: f"{value * 100:.12g}%", return_type=str, when_used="json"),
    _text_schema(r"^\d+(\.\d+)?\s*%$", "0.1%"),
]
Rate = Annotated[
    float, BeforeValidator(_rate), Field(gt=0), _written("/s"), _text_schema(r"^\d+(\.\d+)?\s*/\s*(s|m|h)$", "300/s")
]
Price = Annotated[
    Money,
    BeforeValidator(_money),
    PlainSerializer(str, return_type=str, when_used="json"),
    _text_schema(r"^\d+(\.\d+)?\s*[A-Z]{3}$", "20 USD"),
]
Cores = Annotated[float, BeforeValidator(parse_cores), Field(gt=0)]
Bytes = Annotated[int, BeforeValidator(parse_bytes), Field(gt=0)]
