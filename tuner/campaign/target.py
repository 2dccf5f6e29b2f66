"""Which campaign: one spec at one commit of one repository."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tuner.errors import UserError
from tuner.ledger.head import AuditFiles
from tuner.repository.repository import Repository
from tuner.value import canonical_json, digest_of

__all__ = ["RERUN", "Target", "protected_branch"]

OWN = "tuner/"
"""Branches of tuner itself begin so: proposals and the audit."""
RERUN = "rerun-"
"""An occasion that begins so is a whole campaign that a person asked for."""


@dataclass(frozen=True, slots=True)
class Target:
    """A spec at the commit that last changed it; ``branch`` is the protected branch that it stands on."""

    service: str
    spec_path: str
    spec_commit: str
    branch: str
    repository: str
    """What a person calls the repository: an address or a folder."""
    occasion: str = ""
    """What asked for a further campaign at the same commit: a time of the spec's schedule, or ``rerun-…``."""

    @classmethod
    def of(cls, repository: Repository, spec_path: str, branch: str, service: str, occasion: str = "") -> Target:
        """The campaign for the spec as the branch has it now. UserError where the branch has no such file."""
        commit = repository.last_commit_for(spec_path, branch)
        return cls(service, spec_path, commit, branch, repository.address, occasion)

    @property
    def remeasures(self) -> bool:
        """Whether what is deployed is only measured again, as the spec's schedule asks."""
        return bool(self.occasion) and not self.occasion.startswith(RERUN)

    @property
    def campaign(self) -> str:
        """The campaign's id: equal for the same spec at the same commit and occasion, wherever it is cloned to."""
        parts = [self.spec_path, self.spec_commit, *([self.occasion] if self.occasion else [])]
        key = digest_of(canonical_json(parts)).removeprefix("sha256:")
        return f"{self.service}-{key[:12]}"

    @property
    def audit(self) -> AuditFiles:
        """Where the campaign's audit lies in the repository."""
        return AuditFiles(self.service, self.campaign)

    @property
    def evidence(self) -> str:
        """Folder of the report in the repository."""
        return f"audit/{self.service}/{self.campaign}"

    def folder(self, state: Path) -> Path:
        """Where the campaign's own files lie on this machine; another clone of the repository has others."""
        clone = digest_of(self.repository).removeprefix("sha256:")[:8]
        return state / "campaigns" / f"{self.campaign}.{clone}"


def protected_branch(repository: Repository, named: str | None) -> str:
    """The branch that configuration, policies and allowed signers are read from: the named one, else the default.

    UserError where that is a branch of tuner itself, because somebody has checked a proposal out.
    """
    branch = named or repository.default_branch()
    if branch.startswith(OWN):
        what = f"{branch} is a branch of tuner's own, not a protected one"
        raise UserError.of(what, "name the protected branch with --branch, or check it out")
    return branch
