"""Forges to test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from testbed.gitea import gitea_server
from tests.pull_request.gitea_host import Town
from tests.pull_request.github_host import github_host
from tests.pull_request.gitlab_host import gitlab_host
from tests.pull_request.hosting import ADA, BRANCH, FILES, MANIFEST, SPEC, Clock, Hosted, new_bare, plain_git
from tuner.pull_request.embedded import EmbeddedForge
from tuner.pull_request.proposal import Proposal, change_digest
from tuner.repository.repository import Repository


def _embedded(repository: Repository) -> Hosted:
    clock = Clock()
    person = EmbeddedForge(repository, who=ADA, now=clock)
    return Hosted(EmbeddedForge(repository, now=clock), repository, person, str(ADA), None, str(ADA))


def _embedded_bare(folder: Path) -> Hosted:
    return _embedded(Repository.open(new_bare(folder / "bare.git")))


def _embedded_work_tree(folder: Path) -> Hosted:
    work = folder / "work"
    plain_git(folder, "clone", "-q", str(new_bare(folder / "origin.git")), str(work))
    plain_git(work, "switch", "-q", "--create", "mine")
    return _embedded(Repository.open(work))


def _embedded_clone(folder: Path) -> Hosted:
    return _embedded(Repository.clone(str(new_bare(folder / "origin.git")), folder / "clone.git", local=True))


EMBEDDED: dict[str, Callable[[Path], Hosted]] = {
    "embedded-bare": _embedded_bare,
    "embedded-work-tree": _embedded_work_tree,
    "embedded-clone": _embedded_clone,
}
FAKES = {"github": github_host, "gitlab": gitlab_host}
HOSTS = [*EMBEDDED, *FAKES, pytest.param("gitea", marks=pytest.mark.real)]


@pytest.fixture(scope="session")
def town() -> Iterator[Town]:
    """A real Gitea with its people."""
    with gitea_server() as gitea:
        yield Town.on(gitea)


@pytest.fixture(params=HOSTS)
def hosted(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hosted]:
    """Every implementation of ``Forge`` in turn; a new one is added to ``HOSTS``."""
    if request.param in EMBEDDED:
        yield EMBEDDED[request.param](tmp_path)
        return
    if request.param in FAKES:
        with FAKES[request.param](tmp_path) as made:
            yield made
        return
    town: Town = request.getfixturevalue("town")
    yield town.host(tmp_path)


@pytest.fixture
def bare(tmp_path: Path) -> Hosted:
    """The embedded forge in a bare repository, where the implementation does not matter."""
    return _embedded_bare(tmp_path)


def proposal(repository: Repository, *, batch: int = 8, campaign: str = "c1", evidence: str = "log\n") -> Proposal:
    """A campaign's proposal: the batch size goes from 1 to something."""
    return Proposal(
        spec_path=SPEC,
        branch=BRANCH,
        base="main",
        parent=repository.resolve("main"),
        changes={MANIFEST: FILES[MANIFEST].replace("batch: 1", f"batch: {batch}").encode()},
        evidence={f"audit/demo/{campaign}.jsonl": evidence.encode()},
        title=f"demo: batch {batch}",
        body=f"Batch {batch} is cheaper.",
        campaign=campaign,
        digest=change_digest(SPEC, {"batch": 1}, {"batch": batch}),
        message=f"Set batch to {batch}",
        trailers={"Tuner-Audit-Head": "sha256:00"},
        date=datetime(2025, 1, 1, tzinfo=UTC),
    )
