"""The runs of the search benchmark, spread over processes; those that were made before are used again."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache

from bench.search_environment import Pipe
from bench.search_kept import Key, Store, key_of
from bench.search_peers import PEERS, Peer, worker
from bench.search_runs import Row, scored
from bench.search_setting import OURS, Job, Setting
from tuner.replay.advice import Adviser
from tuner.replay.strategy import Strategy, learned, strategy_named, tuner_sampler
from tuner.search.learned import TunerSampler

__all__ = ["kept", "measured"]

_CHUNK, _CHUNK_OURS = 5, 20
"""Seeds of one model that go to a process together: more of ours, as they share what was learned from the prior."""


def measured(setting: Setting, wanted: Sequence[Job], jobs: int, *, fresh: bool = False) -> list[Row]:
    """A row for each run, made now by ``jobs`` processes where it is not known yet."""
    store = Store(setting)
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
                rows.update({key_of(row): row for row in made})
                _tell(done, len(missing), futures[future], time.monotonic() - began)
    keys = [(job.model, job.method, job.noise, seed) for job in wanted for seed in job.seeds]
    return [rows[key] for key in keys]


def kept(setting: Setting, wanted: Sequence[Job]) -> list[Row]:
    """The rows that are known, of each method and noise those seeds that every model has."""
    rows = Store(setting).read()
    found: list[Row] = []
    for method, noise in dict.fromkeys((job.method, job.noise) for job in wanted):
        jobs = [job for job in wanted if (job.method, job.noise) == (method, noise)]
        shared = [seed for seed in jobs[0].seeds if all((job.model, method, noise, seed) in rows for job in jobs)]
        found += [rows[job.model, method, noise, seed] for job in jobs for seed in shared]
    return found


def _missing(wanted: Iterable[Job], rows: dict[Key, Row]) -> Iterator[Job]:
    for job in wanted:
        seeds = [seed for seed in job.seeds if (job.model, job.method, job.noise, seed) not in rows]
        size = _CHUNK_OURS if job.method in OURS else _CHUNK
        for start in range(0, len(seeds), size):
            yield Job(job.model, job.method, job.noise, tuple(seeds[start : start + size]))


def _tell(done: int, total: int, job: Job, seconds: float) -> None:
    sys.stderr.write(f"{done}/{total} after {seconds:.0f} s: {job.method} on {job.model}, noise {job.noise:g}\n")
    sys.stderr.flush()


def _run(setting: Setting, job: Job) -> list[Row]:
    """In a process of the pool: the job's runs."""
    began = time.process_time()
    recording = setting.recording(job.model)
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
    recording = setting.recording(job.model)
    if job.method in PEERS:
        return Peer(job.method, recording, seed, setting.most, _worker())
    if job.method in OURS:
        return learned(recording, _sampler(setting, job.model, job.method))
    return strategy_named(job.method, recording, seed=seed, trials=setting.most)


@lru_cache(maxsize=2)
def _adviser(setting: Setting, model: str, method: str) -> Adviser:
    return Adviser(setting.recording(model), _sampler(setting, model, method))


@lru_cache(maxsize=2)
def _sampler(setting: Setting, model: str, method: str) -> TunerSampler:
    return tuner_sampler(setting.recording(model), setting.experience(model, method))


@lru_cache(maxsize=1)
def _worker() -> Pipe:
    return worker()
