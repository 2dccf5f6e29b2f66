"""What a pull request carries beside its change, so that anybody can judge it again with tools of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuner.campaign.event import CampaignStarted, Judged, ProposalIntended
from tuner.campaign.progress import Progress
from tuner.campaign.target import Target
from tuner.ledger.attestation import PROVENANCE, SUMMARY, Resource, attest, digest_set
from tuner.ledger.record import Record
from tuner.ledger.signature import ServiceKey
from tuner.policy.document import policy_document
from tuner.policy.model import PolicyDocument
from tuner.value import canonical_json, digest_of

__all__ = ["attestations", "measurements_digest", "policy_files"]

BUILD = "urn:tuner:campaign:v1"
VERIFIER = "urn:tuner:policy:v1"
_MEASURED = ("block-finished", "trial-finished")


def policy_files(target: Target, progress: Progress) -> dict[str, bytes]:
    """The documents that the policies saw, by path: admission, and the accepted candidate's recommendation."""
    found: dict[str, PolicyDocument] = {}
    if progress.admitted is not None:
        found["admission"] = progress.admitted.document
    if progress.accepted is not None:
        found["recommendation"] = progress.judged[progress.accepted].document
    return {f"{target.evidence}/policy/{name}.json": _spelled(document) for name, document in found.items()}


def attestations(target: Target, progress: Progress, records: Sequence[Record], key: ServiceKey) -> dict[str, bytes]:
    """Provenance and verdict of the proposed files, signed; a function of the ledger up to the intent.

    ``records`` end with the intent. Empty where nothing is proposed.
    """
    started, intended, accepted = progress.started, progress.intended, progress.accepted
    if started is None or intended is None or accepted is None:
        return {}
    subjects = [Resource(name=path, digest=digest_set(digest)) for path, digest in sorted(intended.files.items())]
    chain = Resource(
        name=str(target.audit.chain), digest=digest_set(digest_of(b"".join(record.line() for record in records)))
    )
    provenance = attest(subjects, PROVENANCE, _provenance(target, started, progress, records, chain), key)
    source = Resource(name=str(target.audit.provenance), digest=digest_set(digest_of(provenance)))
    summary = _summary(target, progress.judged[accepted], intended, records, source)
    return {
        str(target.audit.provenance): provenance,
        str(target.audit.summary): attest(subjects, SUMMARY, summary, key),
    }


def measurements_digest(records: Sequence[Record]) -> str:
    """Digest of everything that was measured: the lines of the chain that end a trial or a block, one after another."""
    return digest_of(b"".join(record.line() for record in records if record.kind in _MEASURED))


def _provenance(
    target: Target, started: CampaignStarted, progress: Progress, records: Sequence[Record], chain: Resource
) -> dict[str, Any]:
    """SLSA provenance v1: the spec asked for it, these things went into it, this is what it left behind."""
    accepted = progress.accepted
    image = "" if accepted is None else progress.judged[accepted].document.candidate.workload.image
    used = [Resource(name=path, digest=digest_set(digest)) for path, digest in sorted(started.inputs.items())]
    name, _, pinned = image.partition("@")
    if pinned.startswith("sha256:"):
        used.append(Resource(name=name, uri=f"pkg:docker/{image}", digest=digest_set(pinned)))
    used.append(Resource(name="policies", digest=digest_set(started.policy_revision)))
    used.append(Resource(name="source", uri=f"git+{started.base_branch}", digest={"gitCommit": started.base_commit}))
    measured = Resource(name="measurements", digest=digest_set(measurements_digest(records)))
    spec = {"path": started.spec_path, "commit": started.spec_commit, "digest": started.inputs[started.spec_path]}
    return {
        "buildDefinition": {
            "buildType": BUILD,
            "externalParameters": {"spec": spec},
            "internalParameters": {
                "engine": started.engine,
                "backend": started.backend,
                "seed": str(started.seed),
                "image": image,
            },
            "resolvedDependencies": [each.descriptor() for each in used],
        },
        "runDetails": {
            "builder": {"id": VERIFIER.replace("policy", "service"), "version": {"tuner": started.tuner}},
            "metadata": {
                "invocationId": target.campaign,
                "startedOn": records[0].time,
                "finishedOn": records[-1].time,
            },
            "byproducts": [chain.descriptor(), measured.descriptor()],
        },
    }


def _summary(
    target: Target, judged: Judged, intended: ProposalIntended, records: Sequence[Record], source: Resource
) -> dict[str, Any]:
    """SLSA verification summary v1: what the policies said of it."""
    verdict = judged.verdict
    at = next(record.time for record in reversed(records) if record.kind == judged.kind)
    return {
        "verifier": {"id": VERIFIER, "version": {"engine": verdict.engine}},
        "timeVerified": at,
        "resourceUri": f"git+{intended.base}#{target.spec_path}",
        "policy": {"uri": f"{VERIFIER}:{verdict.revision}", "digest": digest_set(verdict.revision)},
        "inputAttestations": [source.descriptor()],
        "verificationResult": "PASSED" if verdict.allow else "FAILED",
        "verifiedLevels": ["TUNER_POLICY_RECOMMENDATION"],
        "warnings": [warning.msg for warning in verdict.warnings],
    }


def _spelled(document: PolicyDocument) -> bytes:
    return canonical_json(policy_document(document)).encode() + b"\n"
