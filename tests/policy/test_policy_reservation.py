"""Two proposals never take the same slice: reserved on open, released on merge or close, by compare-and-swap in Git."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.policy.repositories import make_repository
from tuner.errors import PermanentError
from tuner.policy.quota import QuotaEntry
from tuner.policy.reservation import (
    RESERVATIONS,
    Claim,
    Reservation,
    reservations,
    reserve,
    settle,
    with_reserved,
)
from tuner.repository.repository import Repository

SLICE, BOARD = "nvidia.com/mig-1g.10gb", "NVIDIA-H100-80GB-HBM3"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
ENTRY = QuotaEntry(product=BOARD, resource=SLICE, limit=7, taken=5)


def made(branch: str, count: int = 1, **change: object) -> Reservation:
    claim = Claim(product=BOARD, resource=SLICE, count=count)
    return Reservation(branch=branch, campaign=f"{branch}-1", claims=(claim,), time=NOW).model_copy(update=change)


def take(repository: Repository, wanted: Reservation, over: tuple[str, ...] = ()) -> str:
    """Reserve where the quota still has room for it beside the others."""

    def against(others: tuple[Reservation, ...]) -> str:
        (entry,) = with_reserved([ENTRY], others)
        return (
            "" if wanted.claims[0].count <= entry.limit - entry.taken - entry.reserved else f"{entry.reserved} reserved"
        )

    return reserve(repository, wanted, against, lambda each: each.branch in over)


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    with make_repository(tmp_path, {"README": ""}) as repository:
        yield repository


def test_of_two_that_want_the_last_slices_one_is_told_no(repository: Repository, tmp_path: Path) -> None:
    other = Repository.clone(str(tmp_path / "origin"), tmp_path / "other", local=True)
    assert take(repository, made("tuner/a", 2)) == ""
    assert take(other, made("tuner/b", 1)) == "2 reserved"
    assert [each.branch for each in reservations(other)] == ["tuner/a"]
    assert with_reserved([ENTRY], reservations(other), "tuner/a")[0].reserved == 0
    assert with_reserved([ENTRY], reservations(other))[0].reserved == 2


def test_another_process_that_was_first_is_seen(repository: Repository, tmp_path: Path) -> None:
    """Between the look and the push another process reserves: the push is refused, and the look is taken again."""
    other = Repository.clone(str(tmp_path / "origin"), tmp_path / "other", local=True)
    rounds = []

    def against(others: tuple[Reservation, ...]) -> str:
        rounds.append(len(others))
        if len(rounds) == 1:
            assert take(other, made("tuner/b", 2)) == ""
        return "no room" if others else ""

    assert reserve(repository, made("tuner/a", 2), against, lambda _: False) == "no room"
    assert rounds == [0, 1]


def test_a_repeated_reservation_changes_nothing_and_a_new_one_takes_its_place(repository: Repository) -> None:
    assert take(repository, made("tuner/a")) == ""
    tip = repository.branch(RESERVATIONS)
    assert take(repository, made("tuner/a", time=NOW + timedelta(hours=1))) == ""
    assert repository.branch(RESERVATIONS) == tip
    assert take(repository, made("tuner/a", 2)) == ""
    assert [each.claims[0].count for each in reservations(repository)] == [2]


def test_what_is_over_makes_room(repository: Repository) -> None:
    assert take(repository, made("tuner/a", 2)) == ""
    assert take(repository, made("tuner/b", 2), over=("tuner/a",)) == ""
    assert [each.branch for each in reservations(repository)] == ["tuner/b"]
    assert settle(repository, lambda each: each.branch == "tuner/b") == ("tuner/b",)
    assert settle(repository, lambda _: True) == ()
    assert reservations(repository) == ()


def test_a_file_that_is_none_stops_everything(repository: Repository) -> None:
    assert take(repository, made("tuner/a")) == ""
    commit = repository.commit(
        parent=repository.branch(RESERVATIONS), changes={"reservations/x.json": b"{}"}, message="odd\n", date=NOW
    )
    repository.push(RESERVATIONS, commit, expected=repository.branch(RESERVATIONS))
    with pytest.raises(PermanentError, match=r"x\.json on tuner/reservations is no reservation"):
        take(repository, made("tuner/b"))


@pytest.mark.parametrize(
    ("pulls", "later", "over"),
    [
        ({}, timedelta(hours=1), False),
        ({}, timedelta(days=2), True),
        ({5: True}, timedelta(days=20), False),
        ({5: False}, timedelta(0), True),
        ({3: False}, timedelta(hours=1), False),
        ({3: False, 5: True}, timedelta(days=2), False),
        ({3: False, 5: False}, timedelta(0), True),
    ],
)
def test_it_lasts_as_long_as_its_pull_request(pulls: dict[int, bool], later: timedelta, over: bool) -> None:
    """Pull request 3 of the same branch was merged before; the one of this reservation comes after it."""
    assert made("tuner/a", after=3).is_over(pulls, NOW + later) == over


def test_a_claim_counts_for_the_entries_that_it_may_come_out_of() -> None:
    entries = (
        ENTRY,
        ENTRY.model_copy(update={"product": "*"}),
        ENTRY.model_copy(update={"product": "NVIDIA-H200"}),
        ENTRY.model_copy(update={"resource": "nvidia.com/gpu"}),
        ENTRY.model_copy(update={"namespace": "vision"}),
        ENTRY.model_copy(update={"namespace": "speech"}),
    )
    claim = Claim(product=BOARD, resource=SLICE, namespace="vision", count=3)
    told = with_reserved(entries, [made("tuner/a", claims=(claim,))])
    assert [each.reserved for each in told] == [3, 3, 0, 0, 3, 0]
