"""What the commit that carried the spec is told: a campaign runs for it, and how that ended."""

from __future__ import annotations

from tuner.campaign.event import CampaignEnded
from tuner.campaign.parts import Parts
from tuner.campaign.progress import Progress
from tuner.campaign.target import Target
from tuner.errors import PermanentError, TunerError, UserError
from tuner.pull_request.protocol import Status, StatusState
from tuner.telemetry.logs import logger
from tuner.telemetry.redaction import redact

__all__ = ["status_context", "tell_begun", "tell_ended"]

_LONGEST = 140
_LONGEST_CONTEXT = 255
_BAD = frozenset({"denied", "failed", "regressed"})
_log = logger("campaign")


def status_context(spec_path: str) -> str:
    """The name of the status: one for each spec, since a commit may carry several."""
    return f"tuner/{spec_path}"[:_LONGEST_CONTEXT]


def tell_begun(target: Target, parts: Parts) -> None:
    """Say that a campaign runs. A forge that cannot be told now is told the end."""
    try:
        parts.forge.set_status(target.spec_commit, _status(target, StatusState.PENDING, "the campaign runs", ""))
    except TunerError as error:
        _log.warning("the commit cannot be told", reason=str(error))


def tell_ended(target: Target, parts: Parts, progress: Progress) -> None:
    """Say how it ended, with a link to the pull request. TemporaryError where the forge does not answer: call again.

    A forge that refuses, above all because the credentials may set no status, is no reason to end otherwise.
    """
    ended = progress.ended
    if ended is None:
        return
    pull = progress.pull_request[-1] if progress.pull_request else None
    url = pull.url if pull is not None and pull.url.startswith(("https://", "http://")) else ""
    try:
        parts.forge.set_status(target.spec_commit, _status(target, _state(ended), ended.reason, url))
    except (PermanentError, UserError) as error:
        _log.warning("the commit cannot be told", reason=str(error))


def _state(ended: CampaignEnded) -> StatusState:
    return StatusState.FAILURE if ended.result in _BAD else StatusState.SUCCESS


def _status(target: Target, state: StatusState, text: str, url: str) -> Status:
    line = " ".join(redact(text).split())
    short = line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
    return Status(context=status_context(target.spec_path), state=state, text=short, url=url)
