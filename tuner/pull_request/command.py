"""What people tell tuner in a comment: ``/tuner rerun``, from those alone who may write to the repository."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tuner.pull_request.protocol import Forge, Remark

__all__ = ["acknowledge", "asked_to_rerun"]

_RERUN = re.compile(r"^[ \t]*/tuner[ \t]+rerun[ \t]*$", re.MULTILINE)
_QUOTED = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|<!--.*?(?:-->|\Z)", re.DOTALL)
_MOST_NAMED = 100


def asked_to_rerun(forge: Forge, number: int) -> Sequence[Remark]:
    """Comments on the pull request that ask for a further campaign and were not acknowledged yet, oldest first.

    The command stands on a line of its own, outside of quoted code. Errors as ``Forge``.
    """
    remarks = forge.comments(number)
    ours = "\n".join(remark.text for remark in remarks if remark.ours)
    allowed: dict[str, bool] = {}
    found = []
    for remark in remarks:
        if remark.ours or _token(remark) in ours or not _RERUN.search(_QUOTED.sub("", remark.text)):
            continue
        if remark.author not in allowed and len(allowed) < _MOST_NAMED:
            allowed[remark.author] = forge.may_write(remark.author)
        if allowed.get(remark.author, False):
            found.append(remark)
    return found


def acknowledge(forge: Forge, number: int, remark: Remark, text: str) -> None:
    """Answer a request, once: it is not found again, and the answer may be replaced by a later one."""
    forge.comment(number, f"{text}\n\n{_token(remark)}", token=_token(remark))


def _token(remark: Remark) -> str:
    return f"<!-- tuner: answer to {remark.id} -->"
