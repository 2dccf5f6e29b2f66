"""The end of a campaign as a person wants to read it: what, how sure, allowed by whom, where to look, how to check."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from tuner.campaign.progress import Progress
from tuner.campaign.publishing import AUDIT_BRANCH
from tuner.campaign.target import Target
from tuner.recommendation.bands import STANDINGS, Stretch, stretch_words, stretches_of
from tuner.recommendation.front import knee_words
from tuner.recommendation.model import Comparison
from tuner.space.assignment import Assignment

__all__ = ["print_summary", "summary"]


def summary(target: Target, progress: Progress) -> dict[str, Any]:
    """The end as one JSON document."""
    pull = progress.pull_request[-1] if progress.pull_request else None
    recommendation = progress.decided
    ended = progress.ended
    return {
        "campaign": target.campaign,
        "spec": target.spec_path,
        "commit": target.spec_commit,
        "result": ended.result if ended else "running",
        "reason": ended.reason if ended else "",
        "recommendation": recommendation.model_dump(mode="json") if recommendation else None,
        "front": [point.model_dump(mode="json") for point in progress.front],
        "bands": [band.model_dump(mode="json") for band in progress.bands],
        "verdicts": {str(number): judged.verdict.model_dump(mode="json") for number, judged in progress.judged.items()},
        "pull_request": pull.model_dump(mode="json") if pull else None,
        "machine": _machine(progress),
        "branch": progress.intended.branch if progress.intended and progress.carried else None,
        "report": _report(target, progress) if progress.recommended else None,
        "audit": str(target.audit.chain),
        "verify": f"tuner audit verify {target.campaign} --repo {target.repository}",
    }


def _machine(progress: Progress) -> dict[str, Any]:
    """How steady the machine was: looks at its speed, changes by trial, and the trials that were run again for it."""
    changes = {str(number): check.change for number, check in progress.changes.items() if check.change is not None}
    return {
        "looks": len(progress.checks),
        "changes": {number: change.model_dump(mode="json") for number, change in changes.items()},
        "repeated": sorted(progress.repeated),
    }


def print_summary(console: Console, target: Target, progress: Progress) -> None:
    """The end in some ten lines."""
    ended = progress.ended
    recommendation = progress.decided
    say = _Lines(console)
    say("campaign", target.campaign)
    say("result", f"{ended.result}: {ended.reason}" if ended else "not finished")
    if recommendation is not None:
        if ended is None or recommendation.reason not in ended.reason:
            say("recommended", recommendation.reason)
        if recommendation.comparison is not None:
            say("measured", _measured(recommendation.comparison))
    if progress.front:
        say("pareto set", knee_words(progress.front))
    baseline = progress.started.baseline if progress.started is not None else None
    for number, stretch in enumerate(stretches_of(progress.bands)):
        say("" if number else "by traffic", _stretch(stretch, baseline))
    for number, judged in progress.judged.items():
        word = "allowed" if judged.verdict.allow else "denied"
        packages = ", ".join(judged.verdict.packages)
        say("policies", f"trial {number} {word} by {judged.verdict.engine} ({packages})")
        for denial in (*judged.verdict.denials, *judged.verdict.warnings):
            say("", f"{denial.severity} {denial.id}: {denial.msg}")
    _print_places(say, target, progress)


class _Lines:
    """Lines of a name and a text, aligned."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __call__(self, name: str, text: str) -> None:
        self._console.print(f"{name:13}{text}", markup=False)


def _print_places(say: _Lines, target: Target, progress: Progress) -> None:
    pull = next((change for change in reversed(progress.pull_request) if change.number is not None), None)
    if pull is not None and progress.intended is not None:
        say("pull request", f"#{pull.number} {pull.state}, branch {progress.intended.branch}")
        say("", f"tuner pr show {pull.number} --repo {target.repository}")
    if progress.recommended:
        say("report", _report(target, progress))
    say("audit log", str(target.audit.chain))
    say("verify", f"tuner audit verify {target.campaign} --repo {target.repository}")


def _report(target: Target, progress: Progress) -> str:
    branch = progress.intended.branch if progress.intended and progress.carried else AUDIT_BRANCH
    return f"{branch}:{target.evidence}/report.html"


def _stretch(stretch: Stretch, baseline: Assignment | None) -> str:
    sure = dict.fromkeys(
        STANDINGS[band.standing] for band in stretch.bands if band.standing not in ("none", "baseline")
    )
    words = stretch_words(stretch, baseline)
    return f"{words} [{', '.join(sure)}]" if sure else words


def _measured(comparison: Comparison) -> str:
    ratio = comparison.ratio
    return (
        f"{comparison.metric} {ratio.value:.2f}× ({ratio.low:.2f}–{ratio.high:.2f}×, "
        f"{comparison.confidence * 100:.3g} %) in blocks {comparison.order}"
    )
