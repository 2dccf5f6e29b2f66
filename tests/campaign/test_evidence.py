"""What a pull request carries, made from the ledger of a real campaign that this repository has."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from tuner.campaign.evidence import attestations, measurements_digest, policy_files
from tuner.campaign.journal import progress_of
from tuner.campaign.target import Target
from tuner.ledger.attestation import PROVENANCE, SUMMARY, digest_set, read_attestation
from tuner.ledger.chain import read_chain
from tuner.ledger.signature import NAMESPACE, ServiceKey
from tuner.policy.stored import document_of
from tuner.value import digest_of

CHAIN = min((Path(__file__).parents[2] / "audit").glob("*/*.jsonl"))


def test_provenance_and_verdict_say_what_the_ledger_says(tmp_path: Path) -> None:
    key = ServiceKey.load(tmp_path)
    records = read_chain(CHAIN.read_bytes())
    intent = next(record.seq for record in records if record.kind == "proposal-intended")
    records = records[:intent]
    progress = progress_of(b"".join(record.line() for record in records))
    started = progress.started
    assert started is not None
    assert progress.intended is not None
    target = Target(started.service, started.spec_path, started.spec_commit, started.base_branch, "here")
    files = attestations(target, progress, records, key)
    assert files == attestations(target, progress, records, key)

    def read(path: str, kind: str) -> dict[str, object]:
        at = datetime.fromisoformat(records[-1].time)
        statement = read_attestation(files[path], key.allowed_signer, namespace=NAMESPACE, at=at)
        assert statement["predicateType"] == kind
        assert {each["name"]: each["digest"] for each in statement["subject"]} == {
            path: digest_set(digest)
            for path, digest in progress.intended.files.items()  # type: ignore[union-attr]
        }
        predicate: dict[str, object] = statement["predicate"]
        return predicate

    provenance = json.dumps(read(str(target.audit.provenance), PROVENANCE))
    for digest in (*started.inputs.values(), started.policy_revision, measurements_digest(records)):
        assert digest.partition(":")[2] in provenance
    assert started.base_commit in provenance
    summary = read(str(target.audit.summary), SUMMARY)
    assert summary["verificationResult"] == "PASSED"
    assert summary["policy"]["digest"] == digest_set(started.policy_revision)  # type: ignore[index]
    given = digest_of(files[str(target.audit.provenance)])
    assert digest_set(given)["sha256"] in json.dumps(summary["inputAttestations"])


def test_the_document_that_was_judged_can_be_judged_again() -> None:
    progress = progress_of(CHAIN.read_bytes())
    started = progress.started
    assert started is not None
    target = Target(started.service, started.spec_path, started.spec_commit, started.base_branch, "here")
    files = policy_files(target, progress)
    assert progress.accepted is not None
    (path,) = files
    assert path.endswith("/policy/recommendation.json")
    document = document_of(json.loads(files[path]))
    assert document.service == progress.judged[progress.accepted].document.service
