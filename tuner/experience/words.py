"""Machines and loads in words, made so that equal words mean the same: what experience is compared by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tuner.spec.model import Objective
from tuner.spec.traffic import Load, Slo
from tuner.trial.hardware import Hardware
from tuner.value import canonical_json, digest_of

__all__ = ["hardware_words", "load_words"]

_GIB = 2**30


def hardware_words(machine: Hardware) -> str:
    """Processor, cores, memory and accelerators; memory in whole GiB, because firmware takes a little of it."""
    cores = machine.cpu_quota or len(machine.cpus)
    parts = [machine.cpu_model, f"{cores:g} cores", f"{round(machine.memory / _GIB)} GiB"]
    boards = Counter(gpu.product for gpu in machine.gpus.gpus)
    slices = Counter(slice_.profile for gpu in machine.gpus.gpus for slice_ in gpu.mig)
    parts += [f"{count} x {product}" for product, count in sorted(boards.items())]
    parts += [f"{count} x mig-{profile}" for profile, count in sorted(slices.items())]
    return "".join(sign for sign in ", ".join(parts) if sign.isprintable())[:1000]


def load_words(load: Load, slo: Slo, objective: Objective, contents: Iterable[str]) -> str:
    """Protocol, arrivals and SLO, with a digest of everything that a capacity or a latency depends on.

    ``contents`` are digests of the files that requests and arrivals are made from.
    """
    whole = {
        "load": load.model_dump(mode="json", exclude={"expected"}),
        "bounds": slo.bounds,
        "error_rate": slo.error_rate,
        "rate": objective.rate,
        "contents": sorted(contents),
    }
    digest = digest_of(canonical_json(whole)).removeprefix("sha256:")[:12]
    bounds = " ".join(f"p{percent:g} <= {bound * 1000:g} ms" for percent, bound in slo.bounds)
    return f"{load.protocol} {load.arrivals.kind}, {bounds} ({digest})"
