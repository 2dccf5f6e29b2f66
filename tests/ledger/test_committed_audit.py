"""The audit log of a real run that this repository carries is intact."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuner.ledger.verify import verify

AUDIT = Path(__file__).parents[2] / "audit"
CHAINS = sorted(AUDIT.glob("*/*.jsonl"))


def test_there_is_one() -> None:
    assert CHAINS


@pytest.mark.parametrize("chain", CHAINS, ids=lambda path: path.stem)
def test_it_is_what_was_signed(chain: Path) -> None:
    head = chain.with_name(f"{chain.stem}.head.json")
    result = verify(
        chain.read_bytes(),
        head.read_bytes(),
        head.with_name(f"{head.name}.sig").read_bytes(),
        (AUDIT / "allowed_signers").read_text(encoding="utf-8"),
        campaign=chain.stem,
    )
    assert result.ok, result.findings
