"""Runs that were made before, and what makes them stale.

A run of ours belongs to the source of the search and of the replay. A run of another tool does not, and is kept for as
long as that tool does the same: it belongs to what its model's recording answers, to the script and the pinned packages
that drive it, or, for Optuna's samplers, to the first trials that they make.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path

from platformdirs import user_cache_path
from pydantic import ValidationError

from bench.search_peers import ENVIRONMENT, PEERS
from bench.search_runs import SCORING, Row
from bench.search_setting import OURS, Setting
from tuner.replay.recording import Noise
from tuner.replay.run import replay
from tuner.replay.strategy import strategy_named
from tuner.search.design import spread
from tuner.search.encoding import axes_of
from tuner.search.pool import Pool

__all__ = ["Key", "Store", "key_of"]

Key = tuple[str, str, float, int]
"""Model, method, noise and seed."""

_ROOT = Path(__file__).resolve().parent.parent
_CODE = {
    "ours": ("bench/search_runs.py", "tuner/replay", "tuner/search", "tuner/experience"),
    "optuna": ("tuner/search/sampler.py",),
    "peer": ("bench/search_worker.py", "bench/search_peers.py", str(ENVIRONMENT.lock.relative_to(_ROOT))),
}
_PROBED = 40
"""Trials of an Optuna sampler that say whether it is still the same."""
_POINTS = 8


def key_of(row: Row) -> Key:
    """What tells runs of one setting apart."""
    return row.model, row.method, row.noise, row.seed


class Store:
    """Rows as they came, a line each, with what they belong to."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._file = user_cache_path("tuner") / "bench" / f"search-{setting.digest()}.jsonl"

    def read(self) -> dict[Key, Row]:
        """What was measured before and still holds; a line that a killed process left half is passed over."""
        rows: dict[Key, Row] = {}
        if not self._file.exists():
            return rows
        for line in self._file.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
                row = Row.model_validate(entry["row"])
            except (ValueError, KeyError, ValidationError):
                continue
            if row.model in self._setting.read().services and entry.get("code") == self.code(row.model, row.method):
                rows[key_of(row)] = row
        return rows

    def append(self, rows: Sequence[Row]) -> None:
        """Keep them."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps({"code": self.code(row.model, row.method), "row": row.model_dump()}) + "\n")

    def code(self, model: str, method: str) -> str:
        """The digest of what a method's rows on a model belong to."""
        return _code(self._setting, model, method)


@lru_cache(maxsize=1000)
def _code(setting: Setting, model: str, method: str) -> str:
    if method in OURS:
        parts = [_sources("ours"), setting.described().model_dump_json()]
    elif method in PEERS:
        parts = [_sources("peer"), _recorded(setting, model)]
    else:
        parts = [_sources("optuna"), _recorded(setting, model), _behaviour(setting, method)]
    return hashlib.sha256(repr((SCORING, *parts)).encode()).hexdigest()[:16]


@lru_cache(maxsize=100)
def _recorded(setting: Setting, model: str) -> str:
    """What the recording answers everywhere, its noise, and which configuration is near to which."""
    recording = setting.recording(model)
    answers = [
        (str(point), _plain(recording.merit(tried)), _plain(recording.excess(tried)))
        for point in recording.candidates
        for tried in [recording.tried(point)]
    ]
    noisy = Noise(0.05, 0).on(recording.tried(recording.candidates[0]), 1)
    axes = axes_of(recording.space)
    left = Pool(axes, recording.candidates).without(())
    points = [spread(recording.space, axes, place, 0) for place in range(_POINTS)]
    near = [str(left.nearest(point)) for point in points] if left else []
    noise = [_plain(reading.value) for reading in noisy.readings]
    return hashlib.sha256(repr((answers, str(recording.start), noise, near)).encode()).hexdigest()


@lru_cache
def _behaviour(setting: Setting, method: str) -> str:
    """The first trials on the table's first model."""
    recording = setting.recording(next(iter(setting.read().services)))
    strategy = strategy_named(method, recording, seed=0, trials=setting.most)
    steps = islice(replay(recording, strategy, Noise(0.05, 0)), _PROBED)
    return hashlib.sha256(repr([str(step.assignment) for step in steps]).encode()).hexdigest()


def _plain(number: float | None) -> str:
    """Without what another order of the same arithmetic leaves behind."""
    return "" if number is None else f"{number:.9g}"


@lru_cache
def _sources(kind: str) -> str:
    digest = hashlib.sha256()
    for name in _CODE[kind]:
        place = _ROOT / name
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(f"{file.relative_to(_ROOT)}\n{_meaning(file)}".encode())
    return digest.hexdigest()


def _meaning(file: Path) -> str:
    """What is left of a source without its comments and docstrings."""
    text = file.read_text(encoding="utf-8")
    if file.suffix != ".py":
        return text
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(body := getattr(node, "body", None), list):
            node.body = [one for one in body if not _said(one)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _said(node: object) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
