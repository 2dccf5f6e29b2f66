"""Asking the policies anything: an engine that does not answer decides nothing, and nothing goes on without it."""

from __future__ import annotations

from tuner.campaign.session import Session
from tuner.errors import TemporaryError
from tuner.policy.decision import is_outage
from tuner.policy.model import PolicyDocument, Verdict

__all__ = ["asked"]

_LATER = 30.0
"""Seconds until a policy engine that did not answer is asked again."""


def asked(session: Session, document: PolicyDocument) -> Verdict:
    """What the policy engine says. TemporaryError where it does not answer: then nothing is decided, nor recorded."""
    with session.parts.policies(session.inputs.bundle) as engine:
        verdict = engine.decide(document)
    if is_outage(verdict):
        reasons = "; ".join(denial.msg for denial in verdict.denials)
        raise TemporaryError(f"the policies cannot be asked now: {reasons}", delay=_LATER)
    return verdict
