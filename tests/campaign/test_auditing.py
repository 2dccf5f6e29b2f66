"""The audit branch as a whole: verified at once, exported for stock tools."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.campaign.service import SPEC_PATH, Service, make_service
from tuner.campaign.publishing import AUDIT_BRANCH, publish, published_index
from tuner.campaign.target import Target
from tuner.ledger.chain import Ledger
from tuner.ledger.index import index_head
from tuner.ledger.signature import NAMESPACE, ServiceKey
from tuner.repository.repository import Repository


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return make_service(tmp_path)


def end_campaign(service: Service, name: str) -> Target:
    """Publish a short chain of a campaign of another service."""
    key = ServiceKey.load(service.state / "key")
    with Repository.open(service.repository) as repository:
        target = Target(name, SPEC_PATH, name.encode().hex().ljust(40, "0"), "main", "here")
        with Ledger.open(service.root / f"{name}.jsonl", target.campaign) as ledger:
            ledger.append("campaign-started", {"index": index_head(published_index(repository))})
            ledger.append("campaign-ended", {})
            chain = ledger.content()
        publish(repository, target, chain, key)
    return target


def verify_all(service: Service, *, expect: int = 0) -> str:
    return service.tuner("audit", "verify", "--repo", str(service.repository), expect=expect).stdout


def on_audit_branch(service: Service, *commands: tuple[str, ...]) -> None:
    service.git("checkout", "-q", AUDIT_BRANCH)
    for command in commands:
        service.git(*command)
    service.git("checkout", "-q", "main")


def test_all_campaigns_and_the_chain_between_them_are_verified(service: Service) -> None:
    for name in ("a", "b"):
        end_campaign(service, name)
    told = verify_all(service)
    assert told.count("intact: 2 records") == 3
    assert "intact: 2 records of campaigns, signed by tuner" in told


def test_a_campaign_that_was_deleted_shows(service: Service) -> None:
    gone = end_campaign(service, "a")
    end_campaign(service, "b")
    on_audit_branch(service, ("rm", "-q", "-r", "audit/a"), ("commit", "-q", "-m", "tidy"))
    told = verify_all(service, expect=5)
    assert f"the campaign {gone.campaign} was published and is missing" in told


def test_an_audit_branch_that_was_put_back_shows_once_a_campaign_follows(service: Service) -> None:
    end_campaign(service, "a")
    early = service.git("rev-parse", AUDIT_BRANCH)
    end_campaign(service, "b")
    later = end_campaign(service, "c")
    kept = service.git("show", f"{AUDIT_BRANCH}:{later.audit.chain}")
    service.git("update-ref", f"refs/heads/{AUDIT_BRANCH}", early)
    service.write({str(later.audit.chain): f"{kept}\n"}, "the pull request of c was merged")
    told = verify_all(service, expect=5)
    assert "was merged with its pull request and is not published" in told
    assert "the index lacks what" in told


def test_a_branch_from_before_there_was_an_index_gets_one(service: Service) -> None:
    end_campaign(service, "a")
    names = ("audit/campaigns.chain", "audit/campaigns.head.json", "audit/campaigns.head.json.sig")
    on_audit_branch(service, ("rm", "-q", *names), ("commit", "-q", "-m", "as it was"))
    assert "NOT INTACT" in verify_all(service, expect=5)
    with Repository.open(service.repository) as repository:
        assert published_index(repository) == b""
    key = ServiceKey.load(service.state / "key")
    with Repository.open(service.repository) as repository:
        target = Target("z", SPEC_PATH, "0" * 40, "main", "here")
        with Ledger.open(service.root / "z.jsonl", target.campaign) as ledger:
            ledger.append("campaign-started", {})
            publish(repository, target, ledger.content(), key)
    assert "intact: 2 records of campaigns" in verify_all(service)


@pytest.mark.real
def test_what_is_exported_is_verified_by_stock_tools(service: Service, tmp_path: Path) -> None:
    target = end_campaign(service, "a")
    folder = tmp_path / "export"
    service.tuner("audit", "export", target.campaign, "-o", str(folder), "--repo", str(service.repository))
    head = folder / f"{target.campaign}.head.json"
    command = ["ssh-keygen", "-Y", "verify", "-f", "allowed_signers", "-I", "tuner", "-n", NAMESPACE]
    done = subprocess.run(
        [*command, "-s", f"{head.name}.sig"], cwd=folder, input=head.read_bytes(), capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert b"BEGIN PUBLIC KEY" in (folder / "key-1.pem").read_bytes()
    again = service.tuner(
        "audit", "export", target.campaign, "-o", str(folder), "--repo", str(service.repository), expect=2
    )
    assert "is there already" in again.stderr


def test_rotation_prints_the_lines_of_both_keys(service: Service) -> None:
    target = end_campaign(service, "a")
    lines = service.tuner("audit", "rotate", "--state", str(service.state)).stdout
    assert lines.count("ssh-ed25519") == 2
    service.write({"audit/allowed_signers": lines}, "another key")
    end_campaign(service, "b")
    assert "NOT INTACT" not in verify_all(service)
    assert "intact" in service.verify(target.campaign)
