"""A table of measurements, made by the product itself: ``python -m bench.measure_table text-orientation|file-type``.

Makes a Git repository in a scratch folder with the service of ``configs/`` and the spec of the table,
``bench/tables/NAME.tuning.yaml`` (``sampler: grid``: every configuration once, in an order that the seed decides), lets
``tuner run`` try it on real Triton, and ends it when its search is over; nothing is proposed. A second campaign with
another seed then measures some of the configurations again, for ``--again`` minutes. Resumable: run it again, and it
goes on. The rows are what the ledgers of both campaigns hold; ``--write`` only writes what is there so far.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import platformdirs

from bench import result
from bench.table_rows import rows_of, write_rows
from testbed import file_samples, samples
from testbed.serving import install, onnx_model
from tuner.errors import PermanentError, TunerError
from tuner.manifest.manifest import Manifest
from tuner.spec.loading import read_spec

__all__ = ["SERVICES", "main"]

TABLES = result.ROOT / "bench" / "tables"
SERVICES: Mapping[str, Callable[[Path], None]] = {
    "text-orientation": samples.write,
    "file-type": file_samples.write,
}
"""How each service's payload samples are written."""
CODE = ("bench/measure_table.py", "bench/table_rows.py", "bench/tables/*.tuning.yaml", *result.MEASURED, "configs")
"""What a table depends on."""
_GIT = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0"}
_GRACE = 30.0
_OVER = b'"kind":"search-ended"'


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what is missing, or write the table; 1 where the campaign cannot go on."""
    parser = argparse.ArgumentParser(prog="bench.measure_table", description=__doc__)
    parser.add_argument("service", choices=SERVICES)
    parser.add_argument("--folder", type=Path, default=platformdirs.user_cache_path("tuner") / "bench" / "tables")
    parser.add_argument("--minutes", type=float, default=180.0, help="wall clock of the first campaign")
    parser.add_argument("--again", type=float, default=8.0, help="wall clock of the second one; 0 for none")
    parser.add_argument("--write", action="store_true", help="only write what was measured")
    given = parser.parse_args(argv)
    folder = (given.folder / given.service).absolute()
    try:
        if not given.write:
            _measure(given.service, folder, given.minutes, given.again)
        return _write(given.service, folder)
    except TunerError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130


def _measure(service: str, folder: Path, minutes: float, again: float) -> None:
    home = install()
    for campaign, wall, seed in (("first", minutes, None), ("again", again, 1)):
        if wall > 0:
            place = folder / campaign
            _repository(service, place / "repository", home, wall, seed)
            _search(place, service, home)


def _repository(service: str, folder: Path, home: Path, minutes: float, further: int | None) -> None:
    """The service and its spec, committed; one that is there is left alone."""
    if (folder / ".git").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    own = folder / "configs" / service
    shutil.copytree(
        result.ROOT / "configs" / service, own, ignore=shutil.ignore_patterns("__pycache__", "tuning*.yaml")
    )
    shutil.copyfile(onnx_model(home, service), own / "model" / "1" / "model.onnx")
    SERVICES[service](own / "samples")
    (own / "tuning.yaml").write_text(_spec(service, minutes, further), encoding="utf-8")
    (folder.parent / "measured.json").write_text(
        json.dumps({"commit": result.commit(CODE), "machine": result.machine()}, indent=1) + "\n", encoding="utf-8"
    )
    _git(folder, "init", "--quiet", "--initial-branch=main")
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--message", f"Measure {service}")


def _spec(service: str, minutes: float, further: int | None) -> str:
    """The table's spec with this wall clock, and for a further campaign with a seed that is so much higher."""
    lines = (TABLES / f"{service}.tuning.yaml").read_text(encoding="utf-8").split("\n")
    for place, line in enumerate(lines):
        key, _, value = line.partition(":")
        if key == "  wallClock":
            lines[place] = f"{key}: {round(minutes * 60)}s"
        if key == "  seed" and further:
            lines[place] = f"{key}: {int(value) + further}"
    return "\n".join(lines)


def _git(folder: Path, *arguments: str) -> None:
    who = {f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in _WHO.items()}
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), **_GIT, **who}
    done = subprocess.run(["git", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PermanentError(f"git {arguments[0]} failed: {done.stderr.strip()}")


_WHO = {"NAME": "Service Owner", "EMAIL": "owner@example.com"}


def _search(place: Path, service: str, home: Path) -> None:
    """Run the product on the spec until its search is over; what follows the search is not wanted."""
    if _searched(place):
        return
    spec = place / "repository" / "configs" / service / "tuning.yaml"
    command = [str(Path(sys.executable).with_name("tuner")), "run", str(spec), "--state", str(place / "state")]
    with subprocess.Popen(command, env={**os.environ, "TUNER_TRITON_HOME": str(home)}) as process:
        while process.poll() is None:
            try:
                time.sleep(1)
                if _searched(place):
                    process.send_signal(signal.SIGINT)
                    _await(process)
            except KeyboardInterrupt:
                _await(process)  # it got the signal too: it stops its servers
                raise
    if not _searched(place):
        raise PermanentError(f"the campaign ended with {process.returncode} before its search was over")


def _await(process: subprocess.Popen[bytes]) -> None:
    """Wait for its end; a process that was started in the background may ignore the signal that asked for it."""
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait()


def _searched(place: Path) -> bool:
    return any(_OVER in ledger.read_bytes() for ledger in _ledgers(place))


def _ledgers(place: Path) -> list[Path]:
    return sorted((place / "state" / "campaigns").glob("*/ledger.jsonl"))


def _write(service: str, folder: Path) -> int:
    """The table of everything that was measured so far."""
    prices = read_spec(TABLES / f"{service}.tuning.yaml").spec.prices
    manifest = Manifest.load(
        lambda path: (result.ROOT / path).read_bytes(), f"configs/{service}/deployment.yaml", "triton"
    )
    rows = [
        row
        for campaign in ("first", "again")
        for ledger in _ledgers(folder / campaign)
        for row in rows_of(ledger.read_bytes(), campaign, prices, manifest.workload.resources.cpu or 0.0)
    ]
    if not rows:
        raise PermanentError(f"nothing is measured below {folder}")
    written = write_rows(TABLES / f"{service}.csv", rows)
    sys.stdout.write(f"{written}: {len(rows)} rows\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
