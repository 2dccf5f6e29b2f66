"""Commands that a reader can paste: how to undo the change and how to check the report."""

from __future__ import annotations

import shlex

from tuner.report.model import ReportInput
from tuner.report.text import clean

__all__ = ["undo_commands", "verify_commands"]


def undo_commands(report: ReportInput) -> str:
    """Reverts the merged change by its trailer: works after a merge commit, a squash and a rebase alike."""
    origin = report.origin
    trailer = _word(f"{origin.trailer}: {origin.campaign}")
    find = f"git log -1 --format=%H --no-merges --fixed-strings --grep={trailer}"
    return f'git switch {_word(origin.base)}\ngit revert --no-edit "$({find})"'


def verify_commands(report: ReportInput) -> str:
    """Checks the audit log, and makes this report again from what it recorded."""
    return f"tuner audit verify {_word(report.audit.path)}\ntuner report {_word(report.origin.campaign)}"


def _word(text: str) -> str:
    return shlex.quote(clean(text))
