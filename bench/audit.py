"""A million audit records: what one more costs, and how long all of them take to verify.

``python -m bench.audit [--records 1000000]`` writes ``bench/results/audit.json``. Seconds are of one core's own time,
so that other work on the machine does not count; an append is timed with its ``fsync`` besides.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from bench.result import AUDITED, write
from tuner.ledger.chain import Ledger
from tuner.ledger.head import sign_head
from tuner.ledger.record import Record
from tuner.ledger.signature import ServiceKey
from tuner.ledger.verify import verify
from tuner.measurement.benchmark import Figure

__all__ = ["main"]

CAMPAIGN = "bench-audit"
APPENDS = 200
BODY: dict[str, Any] = {"assignment": {"batch": 16, "instances": 4}, "reason": "", "workload": "sha256:" + "a" * 64}


def main() -> int:
    """Write chains of several lengths, append to each, and verify the longest."""
    parser = argparse.ArgumentParser(prog="bench.audit", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    most = parser.parse_args().records
    lengths = [length for length in (1_000, 10_000, 100_000) if length < most] + [most]
    with tempfile.TemporaryDirectory(prefix="tuner-audit-") as scratch:
        folder = Path(scratch)
        verified = _verified(folder, most)
        runs = [_appended(folder, length) for length in lengths]
    slowest, fastest = max(run["append_us"] for run in runs), min(run["append_us"] for run in runs)
    figures = [
        Figure.of(f"verify {most:,} records", verified["seconds"], "s", goal="<= 30"),
        Figure.of("memory of the verification beside the file", verified["memory_mib"], "MiB"),
        Figure.of(f"append to {most:,} records", runs[-1]["append_us"], "us"),
        Figure.of("append: the slowest length over the fastest", slowest / fastest, "x", goal="<= 2"),
    ]
    write("audit", figures, [verified, *runs], [sys.executable.rpartition("/")[2], "-m", "bench.audit"], AUDITED)
    return 0


def _lines(count: int) -> Iterator[bytes]:
    last: Record | None = None
    for number in range(count):
        last = Record.after(last, CAMPAIGN, "trial-started", {**BODY, "number": number}, "2026-01-01T00:00:00.000Z")
        yield last.line()


def _verified(folder: Path, count: int) -> dict[str, Any]:
    """The whole chain is written, signed and verified, with its head and its signature."""
    with (folder / f"{count}.jsonl").open("wb") as file:
        file.writelines(_lines(count))
    chain = (folder / f"{count}.jsonl").read_bytes()
    key = ServiceKey.load(folder)
    last = Record.read(chain[chain.rfind(b"\n", 0, len(chain) - 1) + 1 :])
    signed = sign_head(chain, key)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    result = verify(chain, signed.head.encode(), signed.signature, key.allowed_signer, campaign=CAMPAIGN)
    seconds = time.process_time() - began
    if not result.ok or result.records != count or signed.head.hash != last.hash:
        raise AssertionError(result.findings)
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {"records": count, "bytes": len(chain), "seconds": round(seconds, 3), "memory_mib": round(memory, 1)}


def _appended(folder: Path, length: int) -> dict[str, Any]:
    """The median cost of one more record behind so many."""
    path = folder / f"{length}.jsonl"
    if not path.exists():
        with path.open("wb") as file:
            file.writelines(_lines(length))
    cpu, wall = [], []
    with Ledger.open(path, CAMPAIGN) as ledger:
        for number in range(APPENDS):
            began, began_cpu = time.perf_counter(), time.process_time()
            ledger.append("trial-started", {**BODY, "number": length + number})
            wall.append(time.perf_counter() - began)
            cpu.append(time.process_time() - began_cpu)
    return {
        "records": length,
        "append_us": round(median(cpu) * 1e6, 1),
        "append_with_sync_us": round(median(wall) * 1e6, 1),
    }


if __name__ == "__main__":
    sys.exit(main())
