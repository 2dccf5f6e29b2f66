"""Two pull requests that are open at once never take the same slice; the follower frees what a closed one had."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from testbed.gitea import gitea_server
from tests.campaign.service import MANIFEST, sample, spec_text
from tests.pull_request.gitea_host import Town
from tests.pull_request.hosting import ADA, Clock, Hosted, new_bare
from tuner.campaign.inputs import read_inputs
from tuner.campaign.journal import Journal
from tuner.campaign.observer import Silent
from tuner.campaign.parts import Parts
from tuner.campaign.reserving import quota_now, reserve_for
from tuner.campaign.session import Session
from tuner.campaign.target import Target
from tuner.cli.wiring import Settings, make_parts
from tuner.engine.registry import engine_named
from tuner.engine.workload import Workload
from tuner.policy.reservation import RESERVATIONS, reservations
from tuner.pull_request.embedded import EmbeddedForge
from tuner.pull_request.proposal import Proposal, branch_name, change_digest, propose
from tuner.repository.repository import Repository
from tuner.watch.following import Closed, follow_pull_requests

BOARD, SLICE = "NVIDIA-H100-80GB-HBM3", "nvidia.com/mig-1g.10gb"
QUOTA = f"""\
apiVersion: tuner/v1alpha1
kind: Quota
quotas:
  - product: {BOARD}
    resources: {{ {SLICE}: {{ limit: 5 }} }}
"""
"""The two services hold two slices each."""


def manifest(name: str) -> str:
    return (
        MANIFEST.replace("name: echo", f"name: {name}")
        .replace("    spec:\n", f"    spec:\n      nodeSelector: {{nvidia.com/gpu.product: {BOARD}}}\n")
        .replace('limits: {cpu: "1", memory: 256Mi', f'limits: {{cpu: "1", memory: 256Mi, {SLICE}: 1')
    )


def files() -> dict[str, bytes]:
    written = {"policies/quota.yaml": QUOTA.encode()}
    for name in ("first", "second"):
        spec = spec_text().replace("name: echo", f"name: {name}")
        spec = spec.replace("memory: 0.004 USD", f"memory: 0.004 USD, gpu: {{ {SLICE}: 0.4 USD }}")
        written |= {
            f"{name}/tuning.yaml": spec.encode(),
            f"{name}/deployment.yaml": manifest(name).encode(),
            f"{name}/model/README": b"none\n",
            f"{name}/samples/x.npy": sample(),
        }
    return written


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with gitea_server() as gitea:
        yield Town.on(gitea)


@pytest.fixture(params=["embedded", pytest.param("gitea", marks=pytest.mark.real)])
def hosted(request: pytest.FixtureRequest, tmp_path: Path) -> Hosted:
    if request.param == "gitea":
        made: Hosted = request.getfixturevalue("town").host(tmp_path)
    else:
        repository = Repository.clone(str(new_bare(tmp_path / "origin.git")), tmp_path / "clone.git", local=True)
        person = EmbeddedForge(repository, who=ADA, now=Clock())
        made = Hosted(EmbeddedForge(repository, now=Clock()), repository, person, str(ADA), None, str(ADA))
    made.commit("main", {path: raw.decode("latin-1") for path, raw in files().items() if not path.endswith(".npy")})
    repository = made.repository
    samples = {path: raw for path, raw in files().items() if path.endswith(".npy")}
    tip = repository.resolve("main")
    sha = repository.commit(parent=tip, changes=samples, message="samples", date=datetime(2025, 1, 1, tzinfo=UTC))
    repository.push("main", sha, expected=tip)
    return made


def parts_of(hosted: Hosted, state: Path) -> Parts:
    return replace(make_parts(hosted.repository, Settings(state), Silent()), forge=hosted.forge)


class Campaign:
    """A campaign that has come to its end: it wants one slice more for each of its two replicas, or says so."""

    def __init__(self, hosted: Hosted, state: Path, name: str) -> None:
        self.hosted, self.state, self.name = hosted, state / name, name
        self.parts = parts_of(hosted, self.state)
        self.repository = self.parts.repository
        self.spec = f"{name}/tuning.yaml"

    def reserve(self, count: int) -> tuple[str, int]:
        """What is in the way, and what the policies would be told that others have reserved."""
        self.repository.fetch()
        target = Target.of(self.repository, self.spec, "main", self.name)
        inputs = read_inputs(self.repository.snapshot(self.repository.resolve("main")), self.spec, engine_named)
        with (
            Journal.open(self.state / "ledger.jsonl", target.campaign, Silent()) as journal,
            Session.open(target, self.parts, journal, inputs) as session,
        ):
            workload = wanting(inputs.manifest.workload, count)
            return reserve_for(session, workload), quota_now(session, workload)[0].reserved

    def propose(self, count: int) -> int:
        path = f"{self.name}/deployment.yaml"
        text = manifest(self.name).replace(f"{SLICE}: 1", f"{SLICE}: {count}")
        proposed = propose(
            self.repository,
            self.parts.forge,
            Proposal(
                spec_path=self.spec,
                branch=branch_name(self.spec),
                base="main",
                parent=self.repository.resolve("main"),
                changes={path: text.encode()},
                evidence={},
                title=f"{self.name}: {count} slices",
                body="More slices are cheaper.",
                campaign=f"{self.name}-{count}",
                digest=change_digest(self.spec, {"slices": 1}, {"slices": count}),
                message=f"Set slices to {count}",
                trailers={},
                date=datetime(2025, 1, 1, tzinfo=UTC),
            ),
        )
        assert proposed.pull is not None
        return proposed.pull.number


def wanting(workload: Workload, count: int) -> Workload:
    """One replica with so many slices."""
    resources = workload.resources.model_copy(update={"gpus": {SLICE: count}})
    return workload.model_copy(update={"replicas": 1, "resources": resources})


def followed(hosted: Hosted, folder: Path) -> list[Closed]:
    """As another machine follows."""
    parts = parts_of(hosted, folder / "watch")
    return list(follow_pull_requests(parts, parts.forge.list()))


def reserved(hosted: Hosted) -> list[str]:
    hosted.repository.fetch()
    return [each.branch for each in reservations(hosted.repository)]


def test_the_last_slice_goes_to_one_until_its_pull_request_is_closed(hosted: Hosted, tmp_path: Path) -> None:
    first, second = (Campaign(hosted, tmp_path / "state", name) for name in ("first", "second"))
    assert first.reserve(3) == ("", 0)
    number = first.propose(3)
    told, others = second.reserve(3)
    assert (others, reserved(hosted)) == (1, [branch_name(first.spec)])
    assert told == (
        f"3 of {SLICE} on {BOARD} are wanted, 2 of 5 are free now, 1 are reserved by open pull requests: merge or "
        "close one, or raise the quota"
    )
    assert followed(hosted, tmp_path) == []
    assert reserved(hosted) == [branch_name(first.spec)], "an open one keeps what it has"

    hosted.person.decline(number, "not now")
    hosted.repository.fetch()
    followed(hosted, tmp_path)
    assert reserved(hosted) == []
    assert second.reserve(3) == ("", 0)
    number = second.propose(3)
    assert first.reserve(3)[0].startswith(f"3 of {SLICE}")

    hosted.person.merge(number)
    hosted.repository.fetch()
    followed(hosted, tmp_path)
    assert reserved(hosted) == []
    told, others = first.reserve(3)
    assert "0 of 5 are free now, 0 are reserved" in told, "what was merged is in the manifests now"
    assert others == 0


def test_reservations_that_cannot_be_read_do_not_stop_the_following(
    hosted: Hosted, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    commit = hosted.repository.commit(
        parent=None, changes={"reservations/x.json": b"{}"}, message="odd\n", date=datetime(2025, 1, 1, tzinfo=UTC)
    )
    hosted.repository.push(RESERVATIONS, commit, expected=None)
    assert followed(hosted, tmp_path) == []
    assert "is no reservation" in caplog.text
