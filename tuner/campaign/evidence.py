"""What a pull request carries beside its change, so that anybody can judge it again."""

from __future__ import annotations

from tuner.campaign.progress import Progress
from tuner.campaign.target import Target
from tuner.policy.document import policy_document
from tuner.policy.model import PolicyDocument
from tuner.value import canonical_json

__all__ = ["policy_files"]


def policy_files(target: Target, progress: Progress) -> dict[str, bytes]:
    """The documents that the policies saw, by path: admission, and the accepted candidate's recommendation."""
    found: dict[str, PolicyDocument] = {}
    if progress.admitted is not None:
        found["admission"] = progress.admitted.document
    if progress.accepted is not None:
        found["recommendation"] = progress.judged[progress.accepted].document
    return {f"{target.evidence}/policy/{name}.json": _spelled(document) for name, document in found.items()}


def _spelled(document: PolicyDocument) -> bytes:
    return canonical_json(policy_document(document)).encode() + b"\n"
