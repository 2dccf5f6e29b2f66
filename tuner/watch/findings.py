"""What a look found, put into the state in one transaction: the revision, the specs, and the campaigns they mean."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from sqlalchemy import Connection, delete, insert, select, update

from tuner.campaign.inputs import POLICIES
from tuner.watch.configuration import NO_TEAM, Watched
from tuner.watch.job import IN_FLIGHT, OPEN, State
from tuner.watch.looking import Seen, SpecSeen
from tuner.watch.recurrence import next_due
from tuner.watch.tables import campaigns, repositories, specs

__all__ = ["forget", "known_specs", "record", "register", "want"]

_CHUNK = 400


def register(connection: Connection, watched: Watched) -> tuple[str, str]:
    """The branch and revision that were last seen; a repository whose address or branch changed is a new one."""
    row = connection.execute(select(repositories).where(repositories.c.name == watched.name)).first()
    if row is not None and row.url == watched.url and (watched.branch is None or watched.branch == row.branch):
        return row.branch, row.revision
    if row is not None and row.url != watched.url:
        forget(connection, watched.name, "the repository's address changed")
        row = None
    if row is None:
        values = {"name": watched.name, "url": watched.url, "branch": "", "revision": ""}
        connection.execute(insert(repositories).values(**values))
    else:
        connection.execute(
            update(repositories).where(repositories.c.name == watched.name).values(branch="", revision="")
        )
    return "", ""


def forget(connection: Connection, repository: str, reason: str) -> None:
    """Withdraw everything of a repository that is not watched any more."""
    _close(connection, repository, None, State.WITHDRAWN, reason)
    connection.execute(delete(specs).where(specs.c.repository == repository))
    connection.execute(delete(repositories).where(repositories.c.name == repository))


def known_specs(connection: Connection, repository: str) -> Mapping[str, str]:
    """Blob by path, as last seen."""
    rows = connection.execute(select(specs.c.path, specs.c.blob).where(specs.c.repository == repository))
    return {row.path: row.blob for row in rows}


def record(connection: Connection, watched: Watched, seen: Seen, now: float) -> int:
    """Write down what a look found; how many campaigns it means."""
    paths = [spec.path for spec in seen.specs]
    _close(connection, watched.name, [*paths], State.SUPERSEDED, f"the spec changed in {seen.revision[:12]}")
    _close(connection, watched.name, [*seen.gone], State.WITHDRAWN, f"the spec is gone in {seen.revision[:12]}")
    for chunk in _chunks([*paths, *seen.gone]):
        connection.execute(delete(specs).where((specs.c.repository == watched.name) & specs.c.path.in_(chunk)))
    rows = [_spec_row(watched.name, spec, now) for spec in seen.specs]
    if rows:
        connection.execute(insert(specs), rows)
    wanted = [spec for spec in seen.specs if not spec.error]
    if seen.rewritten:
        wanted += _in_flight(connection, watched.name, seen.revision, {*paths, *seen.gone})
    want(connection, watched, seen.revision, wanted, now)
    reopened = _reopen(connection, watched.name, seen)
    values = {"branch": seen.branch, "revision": seen.revision, "failures": 0, "error": ""}
    connection.execute(update(repositories).where(repositories.c.name == watched.name).values(**values))
    return len(wanted) + reopened


def want(
    connection: Connection,
    watched: Watched,
    revision: str,
    wanted: Sequence[SpecSeen],
    now: float,
    occasion: str = "",
) -> None:
    """Queue a campaign for each spec; one that was ended before its time at this revision is taken up again.

    One that is queued or runs is left to itself: asked for twice, it is still one.
    """
    same = (campaigns.c.repository == watched.name) & (campaigns.c.revision == revision)
    same &= campaigns.c.occasion == occasion
    there = {
        row.spec_path: row
        for row in connection.execute(select(campaigns.c.spec_path, campaigns.c.id, campaigns.c.state).where(same))
    }
    known = [there[spec.path] for spec in wanted if spec.path in there]
    again = [row.id for row in known if row.state != State.DONE and row.state not in IN_FLIGHT]
    for ids in _chunks(again):
        values = {"state": State.QUEUED, "attempts": 0, "not_before": 0.0, "reason": "", "ended_at": None}
        connection.execute(update(campaigns).where(campaigns.c.id.in_(ids)).values(**values))
    rows = [_row(watched, spec, revision, occasion, now) for spec in wanted if spec.path not in there]
    if rows:
        connection.execute(insert(campaigns), rows)


def _row(watched: Watched, spec: SpecSeen, revision: str, occasion: str, now: float) -> dict[str, object]:
    return {
        "repository": watched.name,
        "spec_path": spec.path,
        "revision": revision,
        "occasion": occasion,
        "service": spec.service,
        "team": watched.team or NO_TEAM,
        "backend": watched.backend,
        "priority": watched.priority,
        "state": State.QUEUED,
        "wanted_at": now,
        "reserved": spec.reserved,
    }


def _spec_row(repository: str, spec: SpecSeen, now: float) -> dict[str, object]:
    return {
        "repository": repository,
        "path": spec.path,
        "blob": spec.blob,
        "service": spec.service,
        "schedule": spec.schedule,
        "due_at": next_due(spec.schedule, now) if spec.schedule else None,
        "reserved": spec.reserved,
        "error": spec.error,
    }


def _close(connection: Connection, repository: str, paths: Sequence[str] | None, state: State, reason: str) -> None:
    mine = (campaigns.c.repository == repository) & campaigns.c.state.in_(OPEN)
    ended = {"state": state, "reason": reason}
    if paths is None:
        connection.execute(update(campaigns).where(mine).values(**ended))
        return
    for chunk in _chunks(paths):
        connection.execute(update(campaigns).where(mine & campaigns.c.spec_path.in_(chunk)).values(**ended))


def _in_flight(connection: Connection, repository: str, revision: str, but: set[str]) -> list[SpecSeen]:
    """After a force-push: campaigns of the old history stop; their specs are measured on the new one."""
    mine = (campaigns.c.repository == repository) & campaigns.c.state.in_(IN_FLIGHT) & (campaigns.c.occasion == "")
    paths = [row.spec_path for row in connection.execute(select(campaigns.c.spec_path).where(mine))]
    kept = sorted(set(paths) - but)
    _close(connection, repository, kept, State.SUPERSEDED, f"the branch was rewritten to {revision[:12]}")
    rows = connection.execute(select(specs).where(specs.c.repository == repository)).all()
    return [
        SpecSeen(row.path, row.blob, row.service, row.schedule, row.reserved)
        for row in rows
        if row.path in kept and not row.error
    ]


def _reopen(connection: Connection, repository: str, seen: Seen) -> int:
    """Campaigns that were refused for a mistake are tried again where something beside their spec changed."""
    refused = (campaigns.c.repository == repository) & (campaigns.c.state == State.REFUSED)
    rows = connection.execute(select(campaigns.c.id, campaigns.c.spec_path).where(refused)).all()
    again = [row.id for row in rows if _concerned(row.spec_path, seen.changed)]
    for ids in _chunks(again):
        connection.execute(
            update(campaigns).where(campaigns.c.id.in_(ids)).values(state=State.QUEUED, attempts=0, ended_at=None)
        )
    return len(again)


def _concerned(spec_path: str, changed: Sequence[str] | None) -> bool:
    folder = posixpath.dirname(spec_path)
    near = (f"{folder}/" if folder else "", f"{POLICIES}/")
    return changed is None or any(path.startswith(near) for path in changed)


def _chunks(items: Iterable[object]) -> Iterator[list[object]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, _CHUNK)):
        yield chunk
