"""A machine that fails while a campaign runs: the database is locked, the disk is full, the clock is set.

What is left afterwards is what a campaign without a fault leaves: one pull request, one status, a valid chain, no trial
that was run twice, no process.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, ParamSpec

import pytest
from sqlalchemy import create_engine, make_url

from bench.crash import settled
from bench.crash_check import violations
from bench.crash_place import Place as Site
from bench.crash_place import make_place
from bench.crash_service import Watcher
from bench.result import ROOT
from testbed.gitea import gitea_server
from tests.pull_request.gitea_host import Town
from tests.repository.conftest import Plain
from tests.watch.conftest import SPEC, Place, Recorder, configuration, spec, started, until

QUICK = {"polling": "{interval: 500ms, jitter: 0%}", "leader": "{lease: 1s}"}
P = ParamSpec("P")
HELD = 6.0
"""Seconds that a fault lasts: three times the service's lease."""


def campaign(test: Callable[P, None]) -> Callable[P, None]:
    """A whole campaign against a real Gitea."""
    for mark in (pytest.mark.real, pytest.mark.campaign, pytest.mark.timeout(600)):
        test = mark(test)
    return test


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with gitea_server() as gitea:
        yield Town.on(gitea)


def ledger(site: Site) -> bytes:
    found = list((site.service.state / "campaigns").glob("*/ledger.jsonl"))
    return found[0].read_bytes() if found else b""


def through(watcher: Watcher, fault: Callable[[], object], *, record: str = "trial-started") -> None:
    """Begin, meet the fault when the ledger has the record, and go on to the end, which is to be as any other."""
    began = time.monotonic()
    with watcher.attended():
        watcher.begin()
        until(lambda: f'"kind":"{record}"'.encode() in ledger(watcher.place), 120)
        fault()
        assert settled(watcher, began) == []
        assert violations(watcher) == [], watcher.log.read_text()[-3000:]


@campaign
def test_a_database_that_is_locked_for_longer_than_the_lease(tmp_path: Path, town: Town) -> None:
    watcher = Watcher(make_place(town, tmp_path / "place"))

    def locked() -> None:
        with closing(sqlite3.connect(watcher.place.database, timeout=30, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            watcher.watch(HELD)
            other.execute("ROLLBACK")

    through(watcher, locked)
    assert watcher.starts == 1, "the service lives through it"


@campaign
@pytest.mark.skipif(os.geteuid() != 0, reason="a file system of a size is root's to mount")
def test_a_disk_that_is_full_for_a_while(tmp_path: Path, town: Town) -> None:
    watcher = Watcher(make_place(town, tmp_path / "place"))
    state = watcher.place.service.state

    def full() -> None:
        with filled(state):
            watcher.watch(HELD)

    with small_disk(state):
        through(watcher, full)


@campaign
def test_a_clock_that_is_set_by_an_hour_and_back(tmp_path: Path, town: Town) -> None:
    clock = Clock(tmp_path / "clock")
    watcher = Watcher(make_place(town, tmp_path / "place"), clock.environment())

    def set_twice() -> None:
        clock.step(3600)
        until(lambda: b'"kind":"search-ended"' in ledger(watcher.place), 120)
        clock.step(-3600)

    through(watcher, set_twice)
    assert watcher.starts == 1
    times = [datetime.fromisoformat(json.loads(line)["time"]) for line in ledger(watcher.place).splitlines()]
    assert max(times) - min(times) >= timedelta(minutes=110), "the campaign had this clock"
    with closing(sqlite3.connect(watcher.place.database)) as database:
        ((started_at, ended_at),) = database.execute("SELECT started_at, ended_at FROM watch_campaigns").fetchall()
    assert abs(ended_at - started_at) >= 3000, "and its service"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def address(request: pytest.FixtureRequest, place: Place) -> str:
    """A state database of each kind in turn."""
    return place.address if request.param == "sqlite" else str(request.getfixturevalue("fresh_postgres"))


def test_a_locked_database_delays_a_campaign_and_loses_none(tmp_path: Path, address: str, work: Plain) -> None:
    runner, place = Recorder(), Place(tmp_path, address)
    service = place.service(configuration(f"name: work, url: {work.folder}", **QUICK), runner)
    with started(service):
        until(lambda: len(runner.runs) == 1)
        with locked_out(address):
            work.commit({SPEC: spec(seed=4)})
            until(lambda: not service.ready())
        until(lambda: len(runner.runs) == 2, 60)
        until(service.ready)
    assert [path for path, _ in runner.started] == [SPEC, SPEC]


@contextmanager
def locked_out(address: str) -> Iterator[None]:
    """Nobody else can write to the database, and with PostgreSQL nobody can read either."""
    url = make_url(address)
    is_file = url.drivername.startswith("sqlite")
    engine = create_engine(url if is_file else url.set(drivername="postgresql+psycopg"))
    with closing(engine.raw_connection()) as connection:
        cursor = connection.cursor()
        if is_file:
            cursor.execute("BEGIN EXCLUSIVE")
        else:
            cursor.execute("LOCK TABLE watch_leases, watch_campaigns IN ACCESS EXCLUSIVE MODE")
        try:
            yield
        finally:
            connection.rollback()
    engine.dispose()


@contextmanager
def small_disk(folder: Path, size: str = "96m") -> Iterator[None]:
    """What is in the folder lies on a disk of a size."""
    before = folder.with_name("before")
    shutil.copytree(folder, before)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tuner-test", str(folder)], check=True)
    try:
        shutil.copytree(before, folder, dirs_exist_ok=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Not a byte is left."""
    file = folder / "filler"
    with file.open("wb", buffering=0) as filler:
        for size in (1 << 20, 1 << 12, 1):
            while _written(filler, size):
                pass
        try:
            yield
        finally:
            file.unlink()


def _written(file: BinaryIO, size: int) -> bool:
    try:
        file.write(b"x" * size)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False
    return True


HOOK = """\
import os, sys
if "LD_PRELOAD" not in os.environ and any("tuner" in word for word in sys.orig_argv):
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **VARIABLES})
"""


class Clock:
    """The clock of tuner's processes: each begins again with it preloaded, as its environment is made anew."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.setting = folder, folder / "setting"
        library = folder / "clock.so"
        source = Path(__file__).with_name("set_clock.c")
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
        variables = {"LD_PRELOAD": str(library), "TUNER_TEST_CLOCK": str(self.setting)}
        self.step(0)
        (folder / "sitecustomize.py").write_text(HOOK.replace("VARIABLES", repr(variables)))

    def environment(self) -> dict[str, str]:
        return {"PYTHONPATH": os.pathsep.join((str(self.folder), str(ROOT)))}

    def step(self, seconds: int) -> None:
        fresh = self.setting.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}\n")
        fresh.replace(self.setting)
