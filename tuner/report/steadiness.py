"""How steady the machine was, in words."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.report import format as fmt
from tuner.report.model import Stability

__all__ = ["steadiness"]


def steadiness(found: Stability) -> str:
    """Two or three sentences: how often it was looked at, what changed, what was done about it."""
    looked = (
        f"The machine's speed was looked at {found.looks:,} times with a reference load; one look is good to about "
    )
    looked += f"{fmt.percent(2 * found.noise)}."
    if not found.changes and not found.blocks:
        return f"{looked} It did not change."
    changed = [f"during trial {number} by {text}" for number, text in sorted(found.changes.items())]
    if found.blocks:
        changed.append(f"during {_named('block', [index + 1 for index in found.blocks])} of the confirmation")
    sentences = [looked, f"It changed {', '.join(changed)}."]
    if found.repeated:
        sentences.append(f"The configuration of {_named('trial', found.repeated)} was tried again.")
    return " ".join(sentences)


def _named(noun: str, numbers: Sequence[int]) -> str:
    """``trial 3``, ``trials 3, 5``."""
    return f"{noun}{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"
