"""One point of the space: a value for each active parameter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic_core import core_schema

from tuner.spec.model import Scalar
from tuner.value import canonical_json, digest_of

__all__ = ["Assignment"]


class Assignment(Mapping[str, Scalar]):
    """An immutable, hashable mapping from parameter to value; inactive conditional parameters are absent."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Scalar]) -> None:
        self._values = dict(sorted(values.items()))

    def __getitem__(self, name: str) -> Scalar:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(canonical_json(self._values))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Assignment) and canonical_json(self._values) == canonical_json(other._values)

    def __repr__(self) -> str:
        return f"Assignment({self})"

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self._values.items())

    @property
    def digest(self) -> str:
        """``sha256:…`` of the canonical JSON: the name of this point wherever it is recorded."""
        return digest_of(canonical_json(self._values))

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            lambda raw: raw if isinstance(raw, cls) else cls(raw),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda value: dict(value)),
        )
