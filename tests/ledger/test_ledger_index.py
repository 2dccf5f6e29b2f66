"""The chain of campaigns: a campaign that was deleted, changed or slipped in shows, and so does an index put back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tuner.ledger.chain import Ledger, continue_chain, read_chain
from tuner.ledger.index import INDEX_NAME, check_index, extended, index_head

NOW = datetime(2026, 3, 2, tzinfo=UTC)
Make = Callable[..., bytes]


@pytest.fixture
def campaign(tmp_path: Path) -> Make:
    def made(name: str, index: bytes = b"") -> bytes:
        with Ledger.open(tmp_path / f"{name}.jsonl", name) as ledger:
            ledger.append("campaign-started", {"index": index_head(index)})
            ledger.append("campaign-ended", {"result": "denied"})
            return ledger.content()

    return made


def path(name: str) -> str:
    return f"audit/service/{name}.jsonl"


def said(index: bytes, chains: dict[str, bytes], elsewhere: dict[str, bytes] | None = None) -> str:
    return "; ".join(finding.what for finding in check_index(index, chains, elsewhere or {}))


def test_each_published_state_has_a_record(campaign: Make) -> None:
    a, b = campaign("a"), campaign("b")
    index = extended(extended(b"", {path("a"): a}, time=NOW), {path("a"): a, path("b"): b}, time=NOW)
    assert extended(index, {path("b"): b}, time=NOW) == index
    longer = continue_chain(a, "merged", {})
    index = extended(index, {path("a"): longer}, time=NOW)
    records = read_chain(index)
    assert [(record.campaign, record.body["campaign"], record.body["records"]) for record in records] == [
        (INDEX_NAME, "a", 2),
        (INDEX_NAME, "b", 2),
        (INDEX_NAME, "a", 3),
    ]
    assert index_head(index) == records[-1].hash
    assert index_head(b"") == ""
    assert said(index, {path("a"): longer, path("b"): b}, {path("a"): a}) == ""


def test_what_was_deleted_changed_or_slipped_in_is_found(campaign: Make) -> None:
    chains = {path("a"): campaign("a"), path("b"): campaign("b")}
    index = extended(b"", chains, time=NOW)
    assert "the campaign b was published and is missing" in said(index, {path("a"): chains[path("a")]})
    other = {**chains, path("b"): continue_chain(chains[path("b")], "forged", {})}
    assert "not the one that was published last" in said(index, other)
    assert "is not among the published ones" in said(index, {**chains, path("c"): campaign("c")})


def test_an_index_that_was_put_back_is_found_by_what_began_later(campaign: Make) -> None:
    a = campaign("a")
    early = extended(b"", {path("a"): a}, time=NOW)
    b = campaign("b", early)
    full = extended(early, {path("b"): b}, time=NOW)
    c = campaign("c", full)
    whole = extended(full, {path("c"): c}, time=NOW)
    assert said(whole, {path("a"): a, path("b"): b, path("c"): c}) == ""
    rewritten = extended(early, {path("c"): c}, time=NOW)  # as if b had never been
    assert f"the index lacks what {path('c')} saw" in said(rewritten, {path("a"): a, path("c"): c})
    merged = {path("c"): c}  # the whole branch is put back, but the pull request of c was merged
    assert "is not published" in said(early, {path("a"): a}, merged)
    assert "the index lacks" in said(early, {path("a"): a}, merged)


def test_a_merged_chain_is_the_beginning_of_the_published_one(campaign: Make) -> None:
    a, b = campaign("a"), campaign("b")
    index = extended(b"", {path("a"): a}, time=NOW)
    assert "no beginning" in said(index, {path("a"): a}, {path("a"): b})
