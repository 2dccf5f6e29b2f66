"""The audit branch keeps the longest chain of a campaign, and never another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.campaign.service import MANIFEST_PATH, SPEC_PATH, Service, make_service
from tuner.campaign.publishing import publish, published_chain
from tuner.campaign.target import Target, protected_branch
from tuner.errors import PermanentError, UserError
from tuner.ledger.chain import Ledger, continue_chain
from tuner.ledger.signature import ServiceKey
from tuner.repository.repository import Repository


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return make_service(tmp_path)


@pytest.fixture
def target(service: Service) -> Target:
    return Target.of(Repository.open(service.repository), SPEC_PATH, "main", "echo")


def chain_of(folder: Path, campaign: str, *kinds: str) -> bytes:
    with Ledger.open(folder / "ledger.jsonl", campaign) as ledger:
        for kind in kinds:
            ledger.append(kind, {"said": kind})
        return ledger.content()


def test_a_longer_chain_replaces_its_beginning_and_a_shorter_one_changes_nothing(
    service: Service, target: Target, tmp_path: Path
) -> None:
    key = ServiceKey.load(service.state / "key")
    short = chain_of(tmp_path / "a", target.campaign, "begun", "ended")
    long = continue_chain(short, "merged", {})
    with Repository.open(service.repository) as repository:
        publish(repository, target, short, key)
        tip = publish(repository, target, long, key)
        assert published_chain(repository, target) == long
        assert publish(repository, target, short, key) == tip
        assert published_chain(repository, target) == long
    assert "intact: 3 records" in service.verify(target.campaign)


def test_another_chain_of_the_same_campaign_is_refused(service: Service, target: Target, tmp_path: Path) -> None:
    key = ServiceKey.load(service.state / "key")
    with Repository.open(service.repository) as repository:
        publish(repository, target, chain_of(tmp_path / "a", target.campaign, "begun"), key)
        with pytest.raises(PermanentError, match="another chain"):
            publish(repository, target, chain_of(tmp_path / "b", target.campaign, "begun", "again"), key)


def test_the_chain_of_a_long_campaign_is_read_whatever_its_size(service: Service, target: Target) -> None:
    key = ServiceKey.load(service.state / "key")
    path = service.root / "long" / "ledger.jsonl"
    with Ledger.open(path, target.campaign) as ledger:
        for _ in range(17):
            ledger.append("trial-finished", {"said": "x" * 2**20})
        chain = ledger.content()
    with Repository.open(service.repository) as repository:
        tip = publish(repository, target, chain, key)
        assert published_chain(repository, target) == chain
        assert publish(repository, target, chain, key) == tip
    assert "intact: 17 records" in service.verify(target.campaign)


def test_a_proposal_that_is_checked_out_is_no_protected_branch(service: Service) -> None:
    service.git("checkout", "--quiet", "-b", "tuner/echo-12345678")
    service.write({"audit/allowed_signers": "anybody\n", MANIFEST_PATH: "kind: Nothing\n"})
    with Repository.open(service.repository) as repository:
        with pytest.raises(UserError, match="not a protected one"):
            protected_branch(repository, None)
        assert protected_branch(repository, "main") == "main"
    done = service.tuner("audit", "verify", "anything", "--repo", str(service.repository), expect=2)
    assert "not a protected one" in done.stderr


def test_clones_of_one_repository_do_not_share_what_is_in_flight(target: Target, tmp_path: Path) -> None:
    other = Target(target.service, target.spec_path, target.spec_commit, target.branch, "https://git.example.com/x")
    assert other.campaign == target.campaign
    assert other.folder(tmp_path) != target.folder(tmp_path)
