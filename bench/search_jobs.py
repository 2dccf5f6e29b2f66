"""The runs of the search benchmark, spread over processes; those that were made before are used again.

A row belongs to the data and the options that it was measured with, and to the code of its method; what belongs to
other code is measured again.
"""

from __future__ import annotations

import ast
import hashlib
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from platformdirs import user_cache_path
from pydantic import ValidationError

from bench.search_environment import Pipe
from bench.search_peers import ENVIRONMENT, PEERS, Peer, worker
from bench.search_runs import SCORING, Row, scored
from tuner.experience.model import Earlier
from tuner.replay.advice import Adviser
from tuner.replay.descriptor import Descriptor, read_descriptor_file
from tuner.replay.prior import others, read_prior
from tuner.replay.recording import Recording, recording_of
from tuner.replay.strategy import Strategy, learned, strategy_named, tuner_sampler
from tuner.replay.table import Table, read_table_file
from tuner.search.learned import TunerSampler

__all__ = ["METHODS", "OURS", "Job", "Setting", "kept", "measured"]

OURS = ("tuner+prior", "tuner")
METHODS = (*OURS, "tpe", "random", "nsga2", *PEERS)
_ROOT = Path(__file__).resolve().parent.parent
_REPLAY = tuple(
    f"tuner/replay/{name}.py" for name in ("descriptor", "expression", "recording", "run", "strategy", "table")
)
_SHARED = (*_REPLAY, "tuner/search/encoding.py", "tuner/search/pool.py")
_CODE = {
    "ours": (*_SHARED, "bench/search_runs.py", "tuner/replay", "tuner/search", "tuner/experience"),
    "optuna": (*_SHARED, "tuner/search/sampler.py", "tuner/search/design.py"),
    "peer": (*_SHARED, "bench/search_worker.py", "bench/search_peers.py", str(ENVIRONMENT.lock.relative_to(_ROOT))),
}
_CHUNK, _CHUNK_OURS = 5, 20
"""Seeds of one model that go to a process together: more of ours, as they share what was learned from the prior."""


@dataclass(frozen=True, slots=True)
class Setting:
    """The data and the options that all runs share. Without a ``prior`` the table teaches about itself."""

    table: Path
    descriptor: Path
    prior: Path | None
    slo: float | None
    most: int

    def described(self) -> Descriptor:
        """The descriptor, with the bound that was asked for."""
        found = read_descriptor_file(self.descriptor)
        return found if self.slo is None else found.limited(self.slo)

    def digest(self) -> str:
        """The same for the same data and options."""
        files = [self.table, self.descriptor, *([] if self.prior is None else [self.prior])]
        contents = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
        return hashlib.sha256(repr((contents, self.slo, self.most)).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Job:
    """Runs of one method on one model."""

    model: str
    method: str
    noise: float
    seeds: tuple[int, ...]


def measured(setting: Setting, wanted: Sequence[Job], jobs: int, *, fresh: bool = False) -> list[Row]:
    """A row for each run, made now by ``jobs`` processes where it is not known yet."""
    store = _Store(setting)
    rows = {} if fresh else store.read()
    missing = list(_missing(wanted, rows))
    if missing:
        os.environ.update({f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")})
        began = time.monotonic()
        context = multiprocessing.get_context("spawn")  # which reads those variables, and inherits no threads
        with ProcessPoolExecutor(jobs, mp_context=context) as pool:
            futures = {pool.submit(_run, setting, job): job for job in missing}
            for done, future in enumerate(as_completed(futures), start=1):
                made = future.result()
                store.append(made)
                rows.update({_key(row): row for row in made})
                _tell(done, len(missing), futures[future], time.monotonic() - began)
    keys = [(job.model, job.method, job.noise, seed) for job in wanted for seed in job.seeds]
    return [rows[key] for key in keys]


def kept(setting: Setting, wanted: Sequence[Job]) -> list[Row]:
    """The rows that are known, of each method and noise those seeds that every model has."""
    rows = _Store(setting).read()
    found: list[Row] = []
    for method, noise in dict.fromkeys((job.method, job.noise) for job in wanted):
        jobs = [job for job in wanted if (job.method, job.noise) == (method, noise)]
        shared = [seed for seed in jobs[0].seeds if all((job.model, method, noise, seed) in rows for job in jobs)]
        found += [rows[job.model, method, noise, seed] for job in jobs for seed in shared]
    return found


def _missing(wanted: Iterable[Job], rows: dict[tuple[str, str, float, int], Row]) -> Iterator[Job]:
    for job in wanted:
        seeds = [seed for seed in job.seeds if (job.model, job.method, job.noise, seed) not in rows]
        size = _CHUNK_OURS if job.method in OURS else _CHUNK
        for start in range(0, len(seeds), size):
            yield Job(job.model, job.method, job.noise, tuple(seeds[start : start + size]))


def _key(row: Row) -> tuple[str, str, float, int]:
    return row.model, row.method, row.noise, row.seed


def _tell(done: int, total: int, job: Job, seconds: float) -> None:
    sys.stderr.write(f"{done}/{total} after {seconds:.0f} s: {job.method} on {job.model}, noise {job.noise:g}\n")
    sys.stderr.flush()


class _Store:
    """Rows as they came, a line each, with the code that made them."""

    def __init__(self, setting: Setting) -> None:
        self._file = user_cache_path("tuner") / "bench" / f"search-{setting.digest()}.jsonl"

    def read(self) -> dict[tuple[str, str, float, int], Row]:
        """What this code measured before; a line that a killed process left half is passed over."""
        rows: dict[tuple[str, str, float, int], Row] = {}
        if not self._file.exists():
            return rows
        for line in self._file.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
                row = Row.model_validate(entry["row"])
            except (ValueError, KeyError, ValidationError):
                continue
            if entry.get("code") == _code_of(row.method):
                rows[_key(row)] = row
        return rows

    def append(self, rows: Sequence[Row]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps({"code": _code_of(row.method), "row": row.model_dump()}) + "\n")


@lru_cache
def _code_of(method: str) -> str:
    """The digest of the source that a method's rows depend on; what is only said in it does not count."""
    kind = "ours" if method in OURS else "peer" if method in PEERS else "optuna"
    digest = hashlib.sha256(f"scoring {SCORING}".encode())
    for name in _CODE[kind]:
        place = _ROOT / name
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(f"{file.relative_to(_ROOT)}\n{_meaning(file)}".encode())
    return digest.hexdigest()[:16]


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


def _run(setting: Setting, job: Job) -> list[Row]:
    """In a process of the pool: the job's runs."""
    began = time.process_time()
    recording = _recording(setting, job.model)
    adviser = _adviser(setting, job.model, job.method) if job.method in OURS else None
    rows: list[Row] = []
    for seed in job.seeds:
        about = {
            "table": setting.table.stem,
            "model": job.model,
            "family": recording.family,
            "seed": seed,
            "noise": job.noise,
            "method": job.method,
        }
        if rows and adviser is not None and job.noise == 0:
            rows.append(rows[0].model_copy(update={"seed": seed, "cpu_s": 0.0}))  # nothing in it is random
            continue
        strategy = _strategy(setting, job, seed)
        row = scored(about, recording, strategy, adviser, setting.most)
        ended = time.process_time()
        rows.append(row.model_copy(update={"cpu_s": ended - began}))
        began = ended
    return rows


def _strategy(setting: Setting, job: Job, seed: int) -> Strategy:
    recording = _recording(setting, job.model)
    if job.method in PEERS:
        return Peer(job.method, recording, seed, setting.most, _worker())
    if job.method in OURS:
        return learned(recording, _sampler(setting, job.model, job.method))
    return strategy_named(job.method, recording, seed=seed, trials=setting.most)


@lru_cache(maxsize=1)
def _table(setting: Setting) -> Table:
    return read_table_file(setting.table, setting.described())


@lru_cache(maxsize=1)
def _all(setting: Setting) -> tuple[Earlier, ...]:
    if setting.prior is None or setting.prior.resolve() == setting.table.resolve():
        return _table(setting).earlier()
    return read_prior(setting.prior, setting.described())


@lru_cache(maxsize=2)
def _recording(setting: Setting, model: str) -> Recording:
    return recording_of(_table(setting), model)


def _experience(setting: Setting, model: str, method: str = OURS[0]) -> tuple[Earlier, ...]:
    """Everything but the family that is judged; nothing for a cold start."""
    recording = _recording(setting, model)
    return others(_all(setting), recording.service, recording.family) if method == OURS[0] else ()


@lru_cache(maxsize=2)
def _adviser(setting: Setting, model: str, method: str) -> Adviser:
    return Adviser(_recording(setting, model), _sampler(setting, model, method))


@lru_cache(maxsize=2)
def _sampler(setting: Setting, model: str, method: str) -> TunerSampler:
    return tuner_sampler(_recording(setting, model), _experience(setting, model, method))


@lru_cache(maxsize=1)
def _worker() -> Pipe:
    return worker()
