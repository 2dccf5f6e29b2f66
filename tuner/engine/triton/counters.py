"""Triton's own counters, flat: the statistics of every model in it, and its Prometheus metrics."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

__all__ = ["metrics", "model_statistics"]

_SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{[^}]*\})?\s+(\S+)(?:\s+\d+)?$")


def model_statistics(body: bytes) -> dict[str, float]:
    """From ``/v2/models/stats``: counts, and seconds spent in each phase (``queue_seconds`` …), over all models."""
    found: dict[str, float] = {}
    for model in json.loads(body).get("model_stats", []):
        for name in ("inference_count", "execution_count"):
            found[name] = found.get(name, 0.0) + float(model.get(name, 0))
        for phase, value in model.get("inference_stats", {}).items():
            found[f"{phase}_count"] = found.get(f"{phase}_count", 0.0) + float(value.get("count", 0))
            found[f"{phase}_seconds"] = found.get(f"{phase}_seconds", 0.0) + float(value.get("ns", 0)) / 1e9
    return found


def metrics(body: bytes) -> dict[str, float]:
    """From ``/metrics``, in the Prometheus text format: each metric's samples added up over their labels."""
    found: dict[str, float] = {}
    for name, value in _samples(body.decode("utf-8", "replace")):
        found[name] = found.get(name, 0.0) + value
    return found


def _samples(text: str) -> Iterator[tuple[str, float]]:
    for line in text.splitlines():
        match = _SAMPLE.match(line)
        if match and match[2].lower() not in ("nan", "+inf", "-inf"):
            yield match[1], float(match[2])
