"""A tuner that kills itself: ``python -m tests.campaign.dying SPEC STATE MOMENT``.

``MOMENT`` is a place in the chain, ``after 17`` (the 17th thing that a campaign does is in the ledger, and nothing else
has happened since), or an effect that has happened and is not yet recorded: ``open``, ``push``.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from tuner.campaign.event import Event
from tuner.campaign.observer import Silent
from tuner.campaign.run import run_campaign
from tuner.campaign.target import Target
from tuner.cli.wiring import Settings, make_parts
from tuner.pull_request.embedded import EmbeddedForge
from tuner.pull_request.protocol import PullRequest
from tuner.repository.repository import Repository


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DyingObserver(Silent):
    """Dies once that many different things are in the chain; a thing begun again after a crash is the same thing."""

    def __init__(self, things: int) -> None:
        self._things = things
        self._seen: set[str] = set()

    def event(self, event: Event, *, replayed: bool) -> None:
        new = thing(event) not in self._seen
        self._seen.add(thing(event))
        if new and not replayed and len(self._seen) >= self._things:
            die()


def thing(event: Event) -> str:
    """What an event is about, whichever attempt it belongs to."""
    body = event.model_dump(mode="json")
    number = body.get("number", body.get("trial", {}).get("number") if event.kind == "trial-finished" else None)
    block = None if event.kind == "machine-checked" else body.get("block", {}).get("index")
    if event.kind == "machine-checked":  # each process looks once more when it starts, with nothing in between
        number, block = body["trials"], body["block"]
    return f"{event.kind} {body.get('step')} {number} {body.get('candidate')} {block} {body.get('state')}"


class DyingForge(EmbeddedForge):
    """Dies after the pull request was opened, before anybody is told."""

    def open(self, *, branch: str, base: str, title: str, body: str, draft: bool = False) -> PullRequest:
        pull = super().open(branch=branch, base=base, title=title, body=body, draft=draft)
        die()
        return pull


class DyingRepository(Repository):
    """Dies after a push, before anybody is told."""

    def push(self, branch: str, sha: str, *, expected: str | None) -> None:
        super().push(branch, sha, expected=expected)
        die()


def main(spec: str, state: str, moment: str) -> None:
    path = Path(spec)
    repository = Repository.around(path)
    name = path.resolve().relative_to(repository.folder.resolve()).as_posix()
    target = Target.of(repository, name, "main", "echo")
    kind, _, number = moment.partition(" ")
    observer = DyingObserver(int(number)) if kind == "after" else Silent()
    parts = make_parts(repository, Settings(Path(state)), observer)
    if kind == "open":
        parts = replace(parts, forge=DyingForge(repository))
    elif kind == "push":
        parts = replace(
            parts,
            repository=DyingRepository(
                repository.git, repository.folder, repository.work_tree, signer=parts.repository.signer
            ),
        )
    run_campaign(target, parts)


if __name__ == "__main__":
    main(*sys.argv[1:])
