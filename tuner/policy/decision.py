"""From what a policy engine answered to a verdict. Whatever is not exactly an answer is a deny with its own reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from tuner.policy.document import policy_document
from tuner.policy.model import Denial, PolicyDocument, PolicyInput, Verdict
from tuner.policy.point import AdmissionInput

__all__ = ["ENTRIES", "FAULT", "NoAnswerError", "NoDecisionError", "decide", "is_outage", "point_of"]

FAULT = "policy.engine"
_WRONG, _SILENT = "policies", "policies.engine"
"""Paths of a fault: of the policies themselves, or of an engine that may answer later."""
_MEND = "mend the policies or the policy engine, then run it again"
ENTRIES = {"admission": "tuner.admission", "recommendation": "tuner.main", "rollout": "tuner.rollout"}
"""The package that decides, by decision point."""


class NoDecisionError(Exception):
    """The engine gave no decision; the message says why, in a sentence for the pull request's reader."""


class NoAnswerError(NoDecisionError):
    """The engine does not answer, or serves other policies: asked later, it may decide."""


class _Answer(BaseModel):
    """The document of a decision point's package, such as ``data.tuner.main``."""

    model_config = ConfigDict(strict=True)

    allow: bool
    deny: list[Denial]
    warn: list[Denial] = []
    packages: list[str]


def point_of(given: PolicyDocument) -> str:
    """The decision point that a document belongs to."""
    if isinstance(given, PolicyInput):
        return "recommendation"
    return "admission" if isinstance(given, AdmissionInput) else "rollout"


def decide(given: PolicyDocument, ask: Callable[[str, dict[str, Any]], object], engine: str, revision: str) -> Verdict:
    """The verdict on an input, by asking an engine for its point's package. Nothing that ``ask`` raises gets out."""
    try:
        answer = _Answer.model_validate(ask(ENTRIES[point_of(given)], policy_document(given)))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the answer"
        return _fault(f"the policies' answer is not one: {place}: {first['msg']}", engine, revision)
    except NoDecisionError as error:
        return _fault(str(error), engine, revision, _SILENT if isinstance(error, NoAnswerError) else _WRONG)
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # noqa: BLE001 - fails closed; a panic in Rust is no Exception
        return _fault(f"the policy engine failed: {_first_line(error)}", engine, revision)
    return _verdict(answer, engine, revision)


def is_outage(verdict: Verdict) -> bool:
    """Whether nothing was decided, because the engine did not answer: it denies, and may be asked again later."""
    return not verdict.allow and any(each.id == FAULT and each.path == _SILENT for each in verdict.denials)


def _verdict(answer: _Answer, engine: str, revision: str) -> Verdict:
    denials = _sorted(answer.deny)
    contradiction = _contradiction(answer)
    if contradiction:
        denials = (*denials, _denial(contradiction))
    return Verdict(
        allow=answer.allow and not denials,
        denials=denials,
        warnings=_sorted(answer.warn),
        engine=engine,
        revision=revision,
        packages=tuple(sorted(answer.packages)),
    )


def _contradiction(answer: _Answer) -> str:
    if answer.allow and answer.deny:
        return "the policies allow and deny at once: fix tuner.main"
    if not answer.allow and not answer.deny:
        return "the policies do not allow and give no reason: fix tuner.main"
    if any(denial.severity != "deny" for denial in answer.deny) or any(w.severity != "warn" for w in answer.warn):
        return "a denial has severity warn, or a warning has severity deny: fix the policy"
    return ""


def _fault(reason: str, engine: str, revision: str, path: str = _WRONG) -> Verdict:
    return Verdict(allow=False, denials=(_denial(reason, path),), engine=engine, revision=revision)


def _denial(reason: str, path: str = _WRONG) -> Denial:
    return Denial(id=FAULT, severity="deny", msg=reason, path=path, reason=reason, remedy=_MEND)


def _sorted(denials: list[Denial]) -> tuple[Denial, ...]:
    return tuple(sorted(denials, key=lambda denial: (denial.id, denial.path, denial.msg)))


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__
