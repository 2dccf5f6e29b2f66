"""The base of every value that is stored or crosses a room: frozen, strict about its fields, comparable."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict

__all__ = ["Value", "canonical_json", "digest_of"]


class Value(BaseModel):
    """An immutable value; unknown fields are refused, no NaN or infinity is accepted."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def canonical_json(value: Any) -> str:
    """The one spelling of a JSON value that is hashed: sorted keys, no blanks, UTF-8 as it is, no NaN (ValueError)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_of(content: str | bytes) -> str:
    """``sha256:`` and the hexadecimal digest of the bytes (text as UTF-8)."""
    raw = content.encode() if isinstance(content, str) else content
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"
