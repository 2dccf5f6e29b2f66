"""One look at a repository: where its branch is, and which specs changed since. Nothing is done where it is known.

What changed is read from trees, not from the history, so that a push, a force-push, a rebase, a renamed and a deleted
file are all the same: paths whose content is another one, and paths that are gone.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tuner.errors import UserError
from tuner.repository.mirror import Mirror
from tuner.spec.document import MAX_BYTES
from tuner.spec.find import is_spec_name
from tuner.spec.loading import load_spec

__all__ = ["Seen", "SpecSeen", "look"]

MOST_SPECS = 100_000


@dataclass(frozen=True, slots=True)
class SpecSeen:
    """A spec whose content is new. Where it is wrong, ``error`` says why and the rest is empty."""

    path: str
    blob: str
    service: str = ""
    schedule: str = ""
    reserved: float = 0.0
    """Core-hours that its campaign may use."""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is new since the last look."""

    branch: str
    revision: str
    specs: tuple[SpecSeen, ...]
    gone: tuple[str, ...]
    rewritten: bool
    """The branch was force-pushed: what was known of it is not in its history any more."""
    changed: tuple[str, ...] | None
    """Every path that changed; None where that is not known, because this is the first look."""


def look(mirror: Mirror, revision: str, known: Callable[[], Mapping[str, str]]) -> Seen | None:
    """What is new since ``revision`` (empty: ever); None where the branch is where it was.

    ``known``: blob by path of the specs as of that revision; asked for only where something changed. Raises what the
    mirror raises, and UserError for more than 100,000 specs.
    """
    tip = mirror.tip()
    if tip.sha == revision:
        return None
    now = mirror.fetch(tip)
    before = known()
    held = bool(revision) and mirror.holds(revision)
    changed = _changed(mirror, revision, now) if held else None
    if changed is None:
        found = mirror.files(now, _is_spec)
        gone = tuple(sorted(before.keys() - found.keys()))
    else:
        paths = [path for path in changed if _is_spec(path)]
        found = mirror.blobs(now, paths)
        gone = tuple(path for path in paths if path in before and path not in found)
    if len(found) > MOST_SPECS:
        raise UserError.of(f"{mirror.remote.address} has over {MOST_SPECS:,} specs", "watch a smaller repository")
    fresh = {path: blob for path, blob in found.items() if before.get(path) != blob}
    rewritten = held and mirror.rewritten(revision, now)
    return Seen(tip.branch, now, tuple(_specs(mirror, fresh)), gone, rewritten, changed)


def _changed(mirror: Mirror, old: str, new: str) -> tuple[str, ...] | None:
    try:
        return tuple(mirror.changed(old, new))
    except UserError:  # more folders than are compared one by one
        return None


def _is_spec(path: str) -> bool:
    return is_spec_name(posixpath.basename(path))


def _specs(mirror: Mirror, blobs: Mapping[str, str]) -> Iterator[SpecSeen]:
    paths = sorted(blobs)
    texts = mirror.read([blobs[path] for path in paths], MAX_BYTES)
    for path, (blob, text) in zip(paths, texts, strict=True):
        yield _spec(path, blob, text)


def _spec(path: str, blob: str, text: bytes | None) -> SpecSeen:
    if text is None:
        return SpecSeen(path, blob, error=f"{path}: larger than {MAX_BYTES:,} bytes")
    try:
        spec = load_spec(text, path).spec
    except UserError as error:
        return SpecSeen(path, blob, error=str(error))
    hours = spec.budget.compute_hours or spec.budget.wall_clock / 3600 * (os.cpu_count() or 1)
    return SpecSeen(path, blob, spec.metadata.name, spec.schedule or "", hours)
