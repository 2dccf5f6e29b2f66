"""Slices that open pull requests would take: one file each on a branch of their own, changed only by compare-and-swap.

A reservation is made before its pull request is opened, so that of two candidates that want the last slice one is told
no. It is dropped once its pull request is merged (then the manifest counts) or closed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from pydantic import Field, ValidationError

from tuner.errors import PermanentError, TemporaryError
from tuner.policy.quota import QuotaEntry
from tuner.policy.stock import ANY_BOARD
from tuner.repository.repository import Repository
from tuner.value import Value, canonical_json, digest_of

__all__ = ["RESERVATIONS", "Claim", "Reservation", "reservations", "reserve", "settle", "with_reserved"]

RESERVATIONS = "tuner/reservations"
"""The branch."""
_FOLDER = "reservations"
_TRIES = 8
_PATIENCE = timedelta(days=1)


class Claim(Value):
    """What a change would take on top of what its manifest holds today. ``product`` ``None``: on any board."""

    product: str | None
    resource: str = Field(min_length=1)
    namespace: str = ""
    count: int = Field(ge=1)


class Reservation(Value):
    """The claims of one proposal, which is known by its branch."""

    branch: str = Field(min_length=1)
    campaign: str
    claims: tuple[Claim, ...]
    time: datetime
    after: int = 0
    """Number of the branch's last pull request that was merged or closed before this was reserved."""

    def is_over(self, pulls: Mapping[int, bool], now: datetime) -> bool:
        """Whether nothing is reserved any more. ``pulls`` are the branch's pull requests: is it open, by number.

        One that never got a pull request is over after a day: its campaign was given up.
        """
        since = {number: is_open for number, is_open in pulls.items() if number > self.after}
        return not any(since.values()) if since else now - self.time > _PATIENCE


def reservations(repository: Repository) -> tuple[Reservation, ...]:
    """What the branch has. PermanentError where one of its files is no reservation: then nobody knows what is free."""
    tip = repository.branch(RESERVATIONS)
    return () if tip is None else tuple(_read(repository, tip).values())


def with_reserved(
    entries: Sequence[QuotaEntry], made: Sequence[Reservation], branch: str = ""
) -> tuple[QuotaEntry, ...]:
    """The entries with what all proposals but the one of ``branch`` have reserved."""
    claims = [claim for each in made if each.branch != branch for claim in each.claims]
    return tuple(
        entry.model_copy(update={"reserved": sum(claim.count for claim in claims if _counts(entry, claim))})
        for entry in entries
    )


def reserve(
    repository: Repository,
    wanted: Reservation,
    against: Callable[[tuple[Reservation, ...]], str],
    is_over: Callable[[Reservation], bool],
) -> str:
    """Make the reservation unless ``against`` the others has a reason; empty where it was made, else that reason.

    Those of others that are over are dropped. Repeating it changes nothing. TemporaryError where other processes keep
    reserving.
    """
    for attempt in range(_TRIES):
        repository.fetch()
        tip = repository.branch(RESERVATIONS)
        there = {} if tip is None else _read(repository, tip)
        gone = {path for path, each in there.items() if each.branch != wanted.branch and is_over(each)}
        others = tuple(each for path, each in there.items() if path not in gone and each.branch != wanted.branch)
        if reason := against(others):
            return reason
        path = _path(wanted.branch)
        known = there.get(path)
        if known is not None and known.model_copy(update={"time": wanted.time}) == wanted and not gone:
            return ""
        changes: dict[str, bytes | None] = dict.fromkeys(gone)
        changes[path] = canonical_json(wanted.model_dump(mode="json")).encode() + b"\n"
        if _pushed(repository, tip, changes, f"reserve: {wanted.campaign}\n", last=attempt == _TRIES - 1):
            return ""
    raise AssertionError("the loop returns or raises")


def settle(repository: Repository, is_over: Callable[[Reservation], bool]) -> tuple[str, ...]:
    """Drop the reservations that are over; their branches. TemporaryError where other processes keep reserving."""
    for attempt in range(_TRIES):
        tip = repository.branch(RESERVATIONS)
        there = {} if tip is None else _read(repository, tip)
        gone = {path: each.branch for path, each in there.items() if is_over(each)}
        if not gone:
            return ()
        changes: dict[str, bytes | None] = dict.fromkeys(gone)
        if _pushed(repository, tip, changes, "release\n", last=attempt == _TRIES - 1):
            return tuple(sorted(gone.values()))
        repository.fetch()
    raise AssertionError("the loop returns or raises")


def _pushed(
    repository: Repository, tip: str | None, changes: dict[str, bytes | None], message: str, *, last: bool
) -> bool:
    moment = datetime.now(UTC).replace(microsecond=0)
    commit = repository.commit(parent=tip, changes=changes, message=message, date=moment)
    try:
        repository.push(RESERVATIONS, commit, expected=tip)
    except TemporaryError:
        if last:
            raise
        return False
    return True


def _read(repository: Repository, tip: str) -> dict[str, Reservation]:
    snapshot = repository.snapshot(tip)
    found = {}
    for path in snapshot.files():
        if path.startswith(f"{_FOLDER}/"):
            try:
                found[path] = Reservation.model_validate_json(snapshot.read(path))
            except ValidationError as error:
                raise PermanentError(
                    f"{path} on {RESERVATIONS} is no reservation, so nobody knows what is free: mend or remove it"
                ) from error
    return found


def _counts(entry: QuotaEntry, claim: Claim) -> bool:
    if claim.resource != entry.resource:
        return False
    board = entry.product == ANY_BOARD or claim.product is None or claim.product == entry.product
    return board and (not entry.namespace or not claim.namespace or claim.namespace == entry.namespace)


def _path(branch: str) -> str:
    return f"{_FOLDER}/{digest_of(branch).removeprefix('sha256:')[:16]}.json"
