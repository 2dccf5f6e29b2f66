"""Two replicas on one state: one leads, the other takes over, and no campaign runs twice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.repository.conftest import Plain
from tests.watch.conftest import SPEC, Place, Recorder, Run, configuration, spec, started, until
from tuner.errors import TemporaryError
from tuner.experience.database import sqlite_url
from tuner.watch.configuration import Configuration
from tuner.watch.database_lease import DatabaseLease
from tuner.watch.job import State
from tuner.watch.lease import LeaseRecord
from tuner.watch.service import Service
from tuner.watch.tables import campaigns

COMMITS = 100


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "postgresql":
        return Place(tmp_path, request.getfixturevalue("fresh_postgres"))
    return Place(tmp_path, sqlite_url(tmp_path / "state" / "watch.db"))


def settings(work: Plain) -> Configuration:
    return configuration(
        f"name: work, url: {work.folder}",
        polling="{interval: 100ms, jitter: 10%}",
        leader="{lease: 1s}",
        drain="2s",
        backends="{process: {running: 4}}",
    )


def ended(service: Service) -> int:
    with service.wiring.database.read() as connection:
        return len(connection.execute(select(campaigns.c.id).where(campaigns.c.state == State.DONE)).all())


def test_each_of_a_hundred_commits_is_measured_once_by_one_of_two_replicas(place: Place, work: Plain) -> None:
    runs: list[Run] = []
    left, right = Recorder(runs=runs), Recorder(runs=runs)
    first = place.service(settings(work), left, "a")
    with place.running(settings(work), right, "b") as second:
        with started(first):
            for number in range(COMMITS // 2):
                work.commit({f"configs/s{number}/tuning.yaml": spec(f"s{number}")})
            until(lambda: ended(second) > 5)
        for number in range(COMMITS // 2, COMMITS):
            work.commit({f"configs/s{number}/tuning.yaml": spec(f"s{number}")})
        until(lambda: ended(second) == COMMITS + 1, 20)
    counted = Counter(run.job.spec_path for run in runs)
    assert set(counted) == {SPEC, *(f"configs/s{number}/tuning.yaml" for number in range(COMMITS))}
    assert {run.replica for run in runs} == {"a", "b"} or {run.replica for run in runs} == {"b"}
    # A run that its replica had no time to note before it was drained is taken up again, as any resumed campaign.
    assert all(count == 1 for count in counted.values()), counted.most_common(3)


class Cut:
    """A lease store that a test can cut its replica off from."""

    def __init__(self, inner: DatabaseLease) -> None:
        self.inner = inner
        self.cut = False

    def read(self) -> LeaseRecord | None:
        self._check()
        return self.inner.read()

    def swap(self, old: LeaseRecord | None, new: LeaseRecord) -> bool:
        self._check()
        return self.inner.swap(old, new)

    def _check(self) -> None:
        if self.cut:
            raise TemporaryError("the lease's place does not answer")


def test_a_leader_that_is_cut_off_has_stopped_before_the_other_begins(place: Place, work: Plain) -> None:
    left, right = Recorder(ends=False), Recorder(ends=False)
    first = place.service(settings(work), left, "a")
    store = Cut(DatabaseLease(first.wiring.database, "tuner"))
    object.__setattr__(first.wiring, "leases", store)
    first.__post_init__()
    with started(first):
        until(lambda: len(left.runs) == 1)
        with place.running(settings(work), right, "b") as second:
            until(lambda: second.ready())
            assert right.runs == []
            store.cut = True
            until(lambda: len(right.runs) == 1)
            assert left.runs[0].interrupted
            assert right.runs[0].job.id == left.runs[0].job.id
            right.runs[0].end()
            until(lambda: ended(second) == 1)


def test_a_webhook_at_the_replica_that_waits_reaches_the_one_that_leads(place: Place, work: Plain) -> None:
    slow = configuration(f"name: work, url: {work.folder}", leader="{lease: 1s}", polling="{interval: 1h, jitter: 0%}")
    left, right = Recorder(), Recorder()
    with place.running(slow, left, "a") as first:
        until(lambda: ended(first) == 1)
        with place.running(slow, right, "b") as second:
            until(lambda: second.ready())
            work.commit({"configs/other/tuning.yaml": spec("other")})
            second.bell.ring("work")
            until(lambda: ended(first) == 2)
    assert right.runs == []
