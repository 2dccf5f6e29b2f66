"""What the fuzzer found, kept: inputs by door, each with the name of what it once did."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["FOUND"]

FOUND: Mapping[str, Mapping[str, bytes]] = {}
